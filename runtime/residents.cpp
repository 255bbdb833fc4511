// SPDX-License-Identifier: Apache-2.0
#include "runtime/residents.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <unordered_map>

#include "runtime/capture.h"
#include "runtime/ledger.h"
#include "runtime/log.h"
#include "runtime/mover.h"

namespace spillway {

namespace {

constexpr std::chrono::seconds kPatience{2};

// The device's token for the length of a scope. Waits for it; the ledger is released meanwhile.
// What is done with it must not disturb a capture that this thread has in progress.
class Token {
 public:
  Token(Engine& engine, Device& device, Held& held)
      : engine_(engine), device_(device), held_(held), relaxed_(engine.driver) {
    engine_.changed.wait(held_, [&] { return !device_.moving; });
    device_.moving = true;
  }
  ~Token() {
    if (!held_.owns_lock()) held_.lock();
    device_.moving = false;
    engine_.changed.notify_all();
  }
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;

 private:
  Engine& engine_;
  Device& device_;
  Held& held_;
  RelaxedCapture relaxed_;
};

class Unlocked {
 public:
  explicit Unlocked(Held& held) : held_(held) { held_.unlock(); }
  ~Unlocked() { held_.lock(); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  Held& held_;
};

// Everything below runs with the token.
class Room {
 public:
  Room(Engine& engine, Device& device, Held& held, std::span<Range* const> keep)
      : engine_(engine), device_(device), held_(held), keep_(keep), mover_(engine, device) {}

  // Chunks for `bytes`, if need be from victims. `wanted`: what the caller will ask for in all; the
  // first shortage makes room for all of it, so that victims leave together.
  bool make(uint64_t bytes, uint64_t wanted, std::vector<Chunk>* out) {
    while (true) {
      bool taken;
      {
        Unlocked open(held_);
        taken = device_.chunks.take(bytes, device_.budget(), out);
      }
      if (taken) return true;
      const uint64_t held = device_.chunks.held(), budget = device_.budget();
      const uint64_t room = device_.chunks.idle() + (budget > held ? budget - held : 0);
      if (!free_some(wanted > room ? wanted - room : 1) && !wait_for_pins()) return false;
    }
  }

  // Frees at least one piece, or about `bytes` in all. False: nothing can leave.
  bool free_some(uint64_t bytes) {
    return drop_cached(bytes, false) || evict(bytes) || drop_cached(bytes, true);
  }

 private:
  // Copy-only, there is nothing but the device: what another thread has pinned for the length of
  // its submission may leave in a moment. In place, nobody need wait. The limit is for a submission
  // that waits, in the end, for this thread.
  bool wait_for_pins() {
    if (device_.backups.in_place()) return false;
    const auto pinned = [&](const Range* range) {
      return has_bytes(*range) && range->device == device_.ordinal && range->pins &&
             !range->still && !range->graph_stills &&
             std::ranges::find(keep_, range) == keep_.end();
    };
    std::vector<Range*> waited;
    for (Range* range : engine_.ranges)
      if (pinned(range)) waited.push_back(range);
    return !waited.empty() && engine_.changed.wait_for(held_, kPatience, [&] {
      return std::ranges::any_of(waited, [&](const Range* range) { return !pinned(range); });
    });
  }

  // Freed ranges go first: nobody will miss their bytes.
  bool drop_cached(uint64_t bytes, bool wait) {
    uint64_t freed = 0;
    while (freed < bytes) {
      Range* oldest = nullptr;
      for (auto& [extent, list] : engine_.cached)
        for (Range* range : list)
          if (range->device == device_.ordinal && range->pins == 0 &&
              (!oldest || range->freed_order < oldest->freed_order) &&
              (wait || engine_.completion.idle(*range)))
            oldest = range;
      if (!oldest) break;
      uncache(engine_, held_, *oldest);
      oldest->settled.store(false);
      Waited waited;
      {
        Unlocked open(held_);
        drain_gates();
        waited = engine_.completion.wait_for_uses(*oldest);
        if (waited == Waited::Done) mover_.drop(*oldest);
      }
      if (waited == Waited::Unknown) {  // a capture is in the way; later
        cache(engine_, held_, *oldest);
        break;
      }
      if (waited != Waited::Done) {  // a broken context: leave it be for good
        oldest->life = Life::Lost;
        continue;
      }
      freed += oldest->extent;
      if (std::ranges::all_of(oldest->pieces, [](const Piece& piece) {
            return piece.residency == Residency::Unbacked;
          }))
        retire(engine_, held_, *oldest);
      else
        oldest->life = Life::Lost;
    }
    return freed > 0;
  }

  bool evict(uint64_t bytes) {
    std::vector<policy::PieceView> views;
    std::vector<Piece*> pieces;  // by the view's place before ranking; ids name them after
    std::unordered_map<uint32_t, Piece*> by_id;
    for (Range* range : engine_.ranges) {
      if (!has_bytes(*range) || range->device != device_.ordinal || !range->movable()) continue;
      if (std::ranges::find(keep_, range) != keep_.end()) continue;
      for (Piece& piece : range->pieces) {
        if (piece.residency != Residency::Device || stuck_.contains(piece.id)) continue;
        views.push_back({piece.id, piece.bytes, range->last_use()});
        by_id[piece.id] = &piece;
      }
    }
    device_.policy->rank(views);
    std::vector<Piece*> leaving;
    uint64_t sum = 0;
    for (const policy::PieceView& view : views) {
      if (sum >= bytes) break;
      Piece* piece = by_id[view.id];
      if (!advance(engine_, held_, *piece, Step::BeginEvict, Cause::Pressure)) continue;
      leaving.push_back(piece);
      sum += piece->bytes;
    }
    if (leaving.empty()) return false;
    fast_path.short_of_memory.store(true, std::memory_order_relaxed);
    uint64_t freed;
    {
      Unlocked open(held_);
      freed = mover_.evict(leaving, Cause::Pressure);
    }
    for (Piece* piece : leaving)  // one that would not go is not asked again for this request
      if (piece->residency == Residency::Device) stuck_.insert(piece->id);
    return freed > 0 || leaving.size() < views.size();
  }

  Engine& engine_;
  Device& device_;
  Held& held_;
  std::span<Range* const> keep_;
  Mover mover_;
  std::set<uint32_t> stuck_;
};

// Brings in what is missing. With the token. False: a piece that had to come in could not.
bool bring(Engine& engine, Device& device, Held& held, std::span<Range* const> ranges, Need need,
           Cause cause) {
  Room room(engine, device, held, ranges);
  Mover mover(engine, device);
  uint64_t wanted = 0;
  for (const Range* range : ranges)
    for (const Piece& piece : range->pieces)
      if (piece.residency == Residency::Host) wanted += piece.bytes;
  bool complete = true, full = false;
  for (Range* range : ranges) {
    for (Piece& piece : range->pieces) {
      if (piece.residency != Residency::Host || !has_bytes(*range)) continue;
      const bool still = range->still || range->graph_stills;
      if (still && piece.mapped && need != Need::Fixed) continue;  // stays where it was held
      std::vector<Chunk> chunks;
      full = full || !room.make(piece.bytes, wanted, &chunks);
      wanted -= std::min(wanted, piece.bytes);
      if (full) {
        complete = complete && piece.mapped && need != Need::Fixed;
        continue;
      }
      // A copy that uses it in place may be on its way to the driver in another thread.
      engine.changed.wait(held, [&] { return range->pins == 0; });
      if (!advance(engine, held, piece, Step::BeginFetch, cause)) continue;
      Unlocked open(held);
      const bool in = mover.fetch(piece, chunks, cause);
      complete = complete && (in || (piece.mapped && need != Need::Fixed));
    }
  }
  return complete;
}

bool satisfied(const Range& range, Need need) {
  if (in_transit(range)) return false;
  return need == Need::Stable ? usable(range) : on_device(range);
}

}  // namespace

void say_exhausted(Engine& engine, Device& device, const char* what, uint64_t bytes) noexcept {
  if (engine.said_exhausted) return;
  engine.said_exhausted = true;
  log(LogLevel::Warn,
      "out of memory: {} of {} MiB does not fit. Device: {} of {} MiB held by us, {} MiB by "
      "others. "
      "Host: {} of {} MiB. Live allocations: {} MiB. Raise SPILLWAY_HOST_LIMIT or "
      "SPILLWAY_DEVICE_LIMIT, or allocate less.",
      what, bytes >> 20, device.chunks.held() >> 20, device.limit >> 20,
      device.external.load() >> 20, engine.host_held.load() >> 20, engine.host_limit >> 20,
      device.live_bytes >> 20);
}

CUresult acquire(Engine& engine, std::vector<Range*>& ranges, Need need, Cause cause) noexcept {
  Held held(engine.ledger);
  std::erase_if(ranges, [](const Range* range) { return !has_bytes(*range); });
  if (ranges.empty()) return CUDA_SUCCESS;
  // Ranges of several devices in one launch (peers): each device brings in its own.
  bool tried = false;
  while (!std::ranges::all_of(ranges, [&](const Range* r) { return satisfied(*r, need); })) {
    if (std::ranges::any_of(ranges, [](const Range* range) { return in_transit(*range); })) {
      engine.changed.wait(held);
      std::erase_if(ranges, [](const Range* range) { return !has_bytes(*range); });
      continue;
    }
    if (tried && std::ranges::all_of(ranges, [](const Range* r) { return usable(*r); }) &&
        need != Need::Fixed) {
      engine.counters.in_place_launches++;
      break;  // what does not fit is used in place
    }
    std::vector<Device*> devices;
    for (const Range* range : ranges) {
      Device* device = engine.device(range->device);
      if (std::ranges::find(devices, device) == devices.end()) devices.push_back(device);
    }
    bool complete = true;
    for (Device* device : devices) {
      std::vector<Range*> own;
      for (Range* range : ranges)
        if (range->device == device->ordinal) own.push_back(range);
      Token token(engine, *device, held);
      std::erase_if(own, [](const Range* range) { return !has_bytes(*range); });
      if (std::ranges::any_of(own, [](const Range* range) { return in_transit(*range); })) continue;
      complete = bring(engine, *device, held, own, need, cause) && complete;
    }
    std::erase_if(ranges, [](const Range* range) { return !has_bytes(*range); });
    if (!complete) {
      uint64_t bytes = 0;
      for (const Range* range : ranges) bytes += range->extent;
      if (!ranges.empty())
        say_exhausted(engine, *engine.device(ranges[0]->device), "the working set of one call",
                      bytes);
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    tried = true;
  }
  for (Range* range : ranges) range->pins++;
  return CUDA_SUCCESS;
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
  Held held(engine.ledger);
  Token token(engine, device, held);
  Range* const keep[] = {&range};
  Room room(engine, device, held, keep);
  Mover mover(engine, device);
  uint64_t wanted = range.extent;
  bool complete = true;
  for (Piece& piece : range.pieces) {
    std::vector<Chunk> chunks;
    const bool room_made = room.make(piece.bytes, wanted, &chunks);
    wanted -= piece.bytes;
    Unlocked open(held);
    if (!(room_made && mover.back(piece, chunks)) && !mover.back_on_host(piece)) {
      complete = false;
      break;
    }
  }
  if (complete) {
    range.life = Life::Live;  // before the token goes: it may be the next victim
    return CUDA_SUCCESS;
  }
  {
    Unlocked open(held);
    mover.drop(range);
  }
  say_exhausted(engine, device, "an allocation", range.extent);
  return CUDA_ERROR_OUT_OF_MEMORY;
}

bool relieve(Engine& engine, Device& device, uint64_t bytes) noexcept {
  Held held(engine.ledger);
  Token token(engine, device, held);
  Room room(engine, device, held, {});
  const uint64_t before = device.chunks.held();
  if (device.chunks.idle() < bytes) room.free_some(bytes - device.chunks.idle());
  Unlocked open(held);
  device.chunks.trim(before > bytes ? before - bytes : 0);
  return device.chunks.held() < before;
}

void drop_context(Engine& engine, CUcontext context) noexcept {
  Held held(engine.ledger);
  for (size_t i = 0; i < engine.ranges.size(); i++) {
    Range& range = *engine.ranges[i];
    if (range.life == Life::Dead || range.context != context) continue;
    Device& device = *engine.device(range.device);
    Token token(engine, device, held);
    engine.changed.wait(held, [&] { return range.pins == 0; });
    if (range.life == Life::Dead || range.context != context) continue;  // while we waited
    if (range.life == Life::Cached) uncache(engine, held, range);
    if (range.life == Life::Live) device.live_bytes -= range.extent;
    range.life = Life::Lost;
    range.settled.store(false);
    {
      Unlocked open(held);
      drain_gates();
      Mover(engine, device).drop(range);
    }
    if (std::ranges::all_of(range.pieces, [](const Piece& piece) {
          return piece.residency == Residency::Unbacked;
        }))
      retire(engine, held, range);
  }
  for (int ordinal = 0; ordinal < Engine::kMaxDevices; ordinal++) {
    Device* device = engine.device(ordinal);
    if (!device) continue;
    Token token(engine, *device, held);
    device->lanes.erase(context);  // the streams themselves die with their context
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
