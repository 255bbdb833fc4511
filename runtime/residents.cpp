// SPDX-License-Identifier: Apache-2.0
#include "runtime/residents.h"

#include <algorithm>
#include <map>

#include "runtime/context_scope.h"
#include "runtime/ledger.h"
#include "runtime/log.h"
#include "runtime/mover_thread.h"
#include "runtime/room.h"
#include "runtime/tell.h"

namespace spillway {

namespace {

void drop_dead(std::vector<Range*>& ranges) {
  std::erase_if(ranges, [](const Range* range) { return !has_bytes(*range); });
}

// Whoever needs a range needs the granules that it shares.
void add_seams(std::vector<Range*>& ranges) {
  for (size_t i = 0; i < ranges.size(); i++) {
    if (!ranges[i]->joined.load(std::memory_order_relaxed)) continue;
    for (Range* part : parts_of(*ranges[i]))
      if (part && std::ranges::find(ranges, part) == ranges.end()) ranges.push_back(part);
  }
}

// Pieces of a new range without memory, with those of a seam that is new with it.
std::vector<Piece*> unbacked(Range& range) {
  std::vector<Piece*> pieces;
  for (Range* part : parts_of(range))
    if (part)
      for (Piece& piece : part->pieces)
        if (piece.residency == Residency::Unbacked) pieces.push_back(&piece);
  return pieces;
}

bool satisfied(const Range& range, Need need) {
  return need == Need::Stable ? usable(range) : on_device(range);
}

// Brings in what is missing. With the token. False: a piece that had to come in could not.
bool bring(Engine& engine, Device& device, Held& held, std::span<Range* const> ranges, Need need,
           Cause cause) {
  Room room(engine, device, held, ranges);
  Mover mover(engine, device);
  const auto missing = [&](const Range& range, const Piece& piece) {
    if (piece.residency != Residency::Host || !has_bytes(range)) return false;
    if (!piece.mapped || need == Need::Fixed) return true;
    // In place will do for a copy, and for what was held still where it is.
    return need == Need::Device && !range.held_still();
  };
  uint64_t wanted = 0;
  for (const Range* range : ranges)
    for (const Piece& piece : range->pieces)
      if (missing(*range, piece)) wanted += piece.bytes;
  bool complete = true, full = false;
  for (Range* range : ranges) {
    for (Piece& piece : range->pieces) {
      if (!missing(*range, piece)) continue;
      std::vector<Chunk> chunks;
      full = full || !room.make(piece.bytes, wanted, &chunks);
      wanted -= std::min(wanted, piece.bytes);
      bool in = false;
      // A copy that uses it in place may be on its way to the driver in another thread; one that
      // waits, in the end, for this thread is not waited for.
      if (!full && engine.changed.wait_for(held, kPatience, [&] { return range->pins == 0; }) &&
          advance(engine, held, piece, Step::BeginFetch, cause)) {
        room.wait_for_lane();
        Unlocked open(held);
        in = mover.fetch(piece, chunks, cause);
      }
      if (!chunks.empty()) {
        Unlocked open(held);
        device.chunks.give(chunks);
      }
      complete = complete && (in || (piece.mapped && need != Need::Fixed));
    }
  }
  return complete;
}

// The last copy that arrives for these ranges, in each lane.
Arrivals arrivals_of(Engine& engine, const Held&, std::span<Range* const> ranges) {
  std::map<const Lane*, CUevent> last;
  for (Device* device : engine.devices())
    for (const Move& move : device->ins)
      if (move.event && std::ranges::find(ranges, move.piece->range) != ranges.end())
        last[move.lane] = move.event;
  Arrivals arrivals;
  for (const auto& [lane, event] : last) arrivals.push_back(event);
  return arrivals;
}

void unpin_held(const Held&, std::span<Range* const> ranges) {
  for (Range* range : ranges) range->pins--;
}

}  // namespace

CUresult exhausted(Engine& engine, Device& device, const char* what, uint64_t bytes) noexcept {
  // In a broken context nothing moves any more, and any call of the driver says what broke it.
  size_t free = 0, total = 0;
  const CUresult broken = engine.driver.cuMemGetInfo_v2(&free, &total);
  if (broken != CUDA_SUCCESS) return broken;
  if (engine.said_exhausted) return CUDA_ERROR_OUT_OF_MEMORY;
  engine.said_exhausted = true;
  log(LogLevel::Warn,
      "out of memory: {} of {} MiB does not fit. Device: {} of {} MiB held by us, {} MiB by "
      "others. "
      "Host: {} of {} MiB. Live allocations: {} MiB. Raise SPILLWAY_HOST_LIMIT or "
      "SPILLWAY_DEVICE_LIMIT, or allocate less.",
      what, bytes >> 20, device.chunks.held() >> 20, device.limit.load() >> 20,
      device.external.load() >> 20, engine.host_held.load() >> 20, engine.host_limit >> 20,
      device.live_bytes.load() >> 20);
  return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult acquire(Engine& engine, std::vector<Range*>& ranges, Need need, Cause cause,
                 Arrivals* arrivals) noexcept {
  // The caller's device is known from here on, and sees what is mapped on others. Not later: to
  // make it known takes the tokens of others, whose movers may be waiting for a pin to go.
  engine.device();
  Held held(engine.ledger);
  drop_dead(ranges);
  add_seams(ranges);
  for (Range* range : ranges) rescue(engine, held, *range, cause);
  std::vector<Range*> pinned;
  bool complete = true, missed = false;
  // Ranges of several devices in one launch (peers): each device brings in its own.
  for (Device* device : engine.devices()) {
    std::vector<Range*> own;
    const auto pin_own = [&] {
      for (Range* range : own) range->pins++;
      pinned.insert(pinned.end(), own.begin(), own.end());
    };
    for (Range* range : ranges)
      if (range->device == device->ordinal && has_bytes(*range)) own.push_back(range);
    if (std::ranges::all_of(own, [&](const Range* range) { return satisfied(*range, need); })) {
      pin_own();
      continue;
    }
    if (need == Need::Device) missed = true;
    // Nobody but this thread can name its per-thread stream.
    held.unlock();
    engine.completion.leave_own_marker(thread_state());
    held.lock();
    as_mover(engine, *device, held, [&](Held& mine) {
      drop_dead(own);
      for (Range* range : own) rescue(engine, mine, *range, cause);
      complete = bring(engine, *device, mine, own, need, cause) && complete;
      drop_dead(own);
      pin_own();
    });
  }
  ranges = pinned;
  if (missed) engine.counters.misses++;
  if (!complete) {
    unpin_held(held, ranges);
    engine.changed.notify_all();
    uint64_t bytes = 0;
    for (const Range* range : ranges) bytes += range->extent;
    if (ranges.empty()) return CUDA_ERROR_OUT_OF_MEMORY;
    return exhausted(engine, *engine.device(ranges[0]->device), "the working set of one call",
                     bytes);
  }
  if (need == Need::Device &&
      !std::ranges::all_of(ranges, [](const Range* range) { return on_device(*range); }))
    engine.counters.in_place_launches++;  // what does not fit is used in place
  const Arrivals coming = arrivals_of(engine, held, ranges);
  held.unlock();
  if (arrivals)
    *arrivals = coming;
  else
    for (const CUevent event : coming) engine.driver.cuEventSynchronize(event);
  return CUDA_SUCCESS;
}

void wait_for(Engine& engine, StreamRef ref, const Arrivals& arrivals) noexcept {
  const CUstream stream = ref.handle       ? ref.handle
                          : ref.per_thread ? CU_STREAM_PER_THREAD
                                           : CU_STREAM_LEGACY;
  for (const CUevent event : arrivals)
    if (engine.driver.cuStreamWaitEvent(stream, event, 0) != CUDA_SUCCESS)
      engine.driver.cuEventSynchronize(event);
}

CUresult with_fixed(Engine& engine, std::vector<Range*>& ranges,
                    const Submission& submit) noexcept {
  CUresult result = acquire(engine, ranges, Need::Fixed, Cause::Pin);
  if (result != CUDA_SUCCESS) result = acquire(engine, ranges, Need::Stable, Cause::Pin);
  if (result != CUDA_SUCCESS) return result;
  result = submit();
  unpin(engine, ranges);
  return result;
}

void unpin(Engine& engine, std::span<Range* const> ranges) noexcept {
  if (ranges.empty()) return;
  bool free = false;
  {
    std::lock_guard held(engine.ledger);
    for (Range* range : ranges) free |= --range->pins == 0;
  }
  if (free) engine.changed.notify_all();
}

CUresult back_range(Engine& engine, Device& device, Range& range) noexcept {
  const Stall stall;
  Held held(engine.ledger);
  Range* const keep[] = {&range};
  bool complete = true;
  {
    // While there is room, nothing has to move, and whoever allocates does it himself.
    Token token(engine, device, held);
    Room room(engine, device, held, keep);
    device.chunks.ask_again();
    for (Piece* piece : unbacked(range)) {
      std::vector<Chunk> chunks;
      complete = room.take(piece->bytes, &chunks);
      if (!complete) break;
      Unlocked open(held);
      complete = Mover(engine, device).back(*piece, chunks);
      if (!complete) break;
    }
    if (complete) come_alive(engine, held, device, range);  // it may be the next victim
  }
  if (complete) return CUDA_SUCCESS;
  as_mover(engine, device, held, [&](Held& mine) {
    Room room(engine, device, mine, keep);
    Mover mover(engine, device);
    const std::vector<Piece*> missing = unbacked(range);
    uint64_t wanted = 0;
    for (const Piece* piece : missing) wanted += piece->bytes;
    complete = true;
    for (Piece* piece : missing) {
      std::vector<Chunk> chunks;
      const bool room_made = room.make(piece->bytes, wanted, &chunks);
      wanted -= piece->bytes;
      Unlocked open(mine);
      complete = (room_made && mover.back(*piece, chunks)) || mover.back_on_host(*piece);
      if (!complete) break;
    }
    if (complete) return come_alive(engine, mine, device, range);
    const std::vector<Range*> seams = own_seams(range);
    Unlocked open(mine);
    mover.drop(range);
    for (Range* seam : seams) mover.drop(*seam);
  });
  stall.tell_end(engine, trace::StallFor::Room, keep);
  if (complete) return CUDA_SUCCESS;
  return exhausted(engine, device, "an allocation", range.span);
}

bool relieve(Engine& engine, Device& device, uint64_t bytes) noexcept {
  Held held(engine.ledger);
  Token token(engine, device, held);
  return Room(engine, device, held, {}).relieve(bytes);
}

void drop_context(Engine& engine, CUcontext context) noexcept {
  Held held(engine.ledger);
  for (size_t i = 0; i < engine.ranges.size(); i++) {
    Range& range = *engine.ranges[i];
    const auto ends = [&] {  // seams go with the last range that has a side of them
      return range.life != Life::Dead && range.life != Life::Seam && range.context == context;
    };
    if (!ends()) continue;
    Device& device = *engine.device(range.device);
    Token token(engine, device, held);
    engine.changed.wait_for(held, kPatience, [&] { return range.pins == 0; });
    if (!ends()) continue;  // while we waited
    if (range.life == Life::Cached) uncache(engine, held, range);
    end_life(engine, held, device, range, Life::Lost);
    Room(engine, device, held, {}).drop(range);
  }
  for (Device* device : engine.devices()) {
    Token token(engine, *device, held);
    {
      Unlocked open(held);
      Mover mover(engine, *device);
      mover.settle_context(context);
      // Host memory that is registered in this context serves copies in others as well.
      if (!device->backups.in_place()) mover.settle_rest();
      device->backups.leave(context);
    }
    device->lanes.erase(context);  // the streams themselves die with their context
    device->batons.erase(context);
  }
  std::lock_guard accounts(engine.accounts);
  std::erase_if(engine.externals, [&](const auto& each) {
    const External& external = each.second;
    if (external.context != context) return false;
    engine.device(external.device)->external -= external.bytes;
    return true;
  });
}

}  // namespace spillway
