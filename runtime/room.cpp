// SPDX-License-Identifier: Apache-2.0
#include "runtime/room.h"

#include <algorithm>
#include <unordered_map>

#include "runtime/ahead.h"
#include "runtime/ledger.h"
#include "runtime/log.h"
#include "runtime/seams.h"

namespace spillway {

namespace {

// Kept free while memory is short: 2 % of the budget, and three pieces (one that leaves, one that
// arrives, one between them), but never more than a tenth.
constexpr uint64_t kSpareShare = 50;
constexpr uint64_t kSparePieces = 3;
constexpr uint64_t kMostSpareShare = 10;

}  // namespace

bool Room::take(uint64_t bytes, std::vector<Chunk>* out) {
  Unlocked open(held_);
  return device_.chunks.take(bytes, device_.budget(), out);
}

bool Room::settle_oldest(std::deque<Move> Device::*direction) {
  if ((device_.*direction).empty()) return false;
  Unlocked open(held_);
  return mover_.settle_oldest(direction);
}

bool Room::make(uint64_t bytes, uint64_t wanted, std::vector<Chunk>* out) {
  while (true) {
    {
      Unlocked open(held_);
      mover_.settle();
      engine_.examiner.settle(false);
    }
    if (take(bytes, out)) return true;
    // What a plan lets go, and what was freed, makes room before anything else has to.
    const bool ahead = device_.foresight.keeps_room();
    if (ahead) {
      begin_departures(engine_, device_, held_, keep_);
      if (drop_cached(bytes, false)) continue;
    }
    const uint64_t room = device_.chunks.room(device_.budget());
    const uint64_t asked = std::max(wanted, bytes);
    const uint64_t coming = leaving_bytes() + (ahead ? departing_bytes() + cached_bytes() : 0);
    const uint64_t missing = asked - std::min(asked, room);
    const bool full = mover_.full(&Device::outs);
    if (missing > coming && !full && free_some(missing - coming)) continue;
    if (ahead ? wait_for_next() : settle_oldest(&Device::outs)) continue;
    if (ahead ? drop_cached(bytes, true) || free_some(bytes)
              : missing > coming && full && free_some(bytes))
      continue;
    // In place, nobody need wait.
    if (!device_.outs.empty() || device_.backups.in_place() || !wait_for_others()) return false;
  }
}

// Until the oldest copy out is over, or the last use of the memory that was freed first. False:
// there is neither, or it takes too long.
bool Room::wait_for_next() {
  const Range* freed = nullptr;
  for (const auto& [span, list] : engine_.cached)
    for (const Range* range : list)
      if (range->device == device_.ordinal && range->pins == 0 &&
          (!freed || range->freed_order < freed->freed_order))
        freed = range;
  if (!freed) return settle_oldest(&Device::outs);
  Unlocked open(held_);
  return mover_.wait_for_first(*freed);
}

void Room::wait_for_lane() {
  while (mover_.full(&Device::ins)) {
    begin_departures(engine_, device_, held_, keep_);
    Unlocked open(held_);
    if (!mover_.settle_first()) return;
  }
}

bool Room::free_some(uint64_t bytes) {
  const uint64_t taken_in = engine_.examiner.taken_in();
  if (drop_cached(bytes, false) || evict(bytes)) return true;
  // What has just arrived may leave again, and gives its place on the host back.
  if (settle_oldest(&Device::ins)) {
    stuck_.clear();
    return true;
  }
  if (drop_cached(bytes, true)) return true;
  // What kernels are being examined for stays where it is until then.
  Unlocked open(held_);
  return engine_.examiner.settle(true) || engine_.examiner.taken_in() != taken_in;
}

// What another thread has pinned for the length of its submission, or is about to free, may leave
// in a moment. The limit is for a submission that waits, in the end, for this thread.
bool Room::wait_for_others() {
  const auto busy = [&](const Range* range) {
    if (range->device != device_.ordinal) return false;
    if (range->life == Life::Freeing) return true;
    return has_bytes(*range) && (range->pins || range->examined()) && !range->held_for_long() &&
           std::ranges::find(keep_, range) == keep_.end();
  };
  std::vector<Range*> waited;
  for (Range* range : engine_.ranges)
    if (busy(range)) waited.push_back(range);
  return !waited.empty() && engine_.changed.wait_for(held_, kPatience, [&] {
    return engine_.examiner.expects() ||
           std::ranges::any_of(waited, [&](const Range* range) { return !busy(range); });
  });
}

// Freed ranges go first: nobody will miss their bytes.
bool Room::drop_cached(uint64_t bytes, bool wait) {
  uint64_t freed = 0;
  while (freed < bytes) {
    Range* oldest = nullptr;
    for (auto& [span, list] : engine_.cached)
      for (Range* range : list)
        if (range->device == device_.ordinal && range->pins == 0 &&
            (!oldest || range->freed_order < oldest->freed_order) &&
            (wait || engine_.completion.idle(*range)))
          oldest = range;
    if (!oldest) break;
    uncache(engine_, held_, *oldest);
    const uint64_t extent = oldest->extent;
    const Waited waited = drop(*oldest);
    if (waited == Waited::Unknown) {  // a capture is in the way; later
      cache(engine_, held_, *oldest);
      break;
    }
    if (waited == Waited::Done) freed += extent;
  }
  return freed > 0;
}

Waited Room::drop(Range& range) {
  std::vector<Range*> parts = own_seams(range);
  parts.push_back(&range);
  for (Range* part : parts) {
    withdraw_seam(device_, *part);
    rescue(engine_, held_, *part, Cause::Free);
    part->settled.store(false);
  }
  Waited waited = Waited::Done;
  {
    Unlocked open(held_);
    drain_gates();
    for (Range* part : parts)
      if (waited == Waited::Done) waited = engine_.completion.wait_for_uses(*part);
    if (waited == Waited::Done)
      for (Range* part : parts) mover_.drop(*part);
  }
  if (waited == Waited::Unknown) {
    for (Range* part : parts) part->settled.store(settled(*part));
    return waited;
  }
  // A broken context, or memory that the driver would not take back: never touched again.
  for (Range* part : parts)
    for (const Piece& piece : part->pieces)
      if (piece.residency != Residency::Unbacked) waited = Waited::Failed;
  if (waited == Waited::Done)
    retire(engine_, held_, range);
  else
    for (Range* part : parts) part->life = Life::Lost;
  return waited;
}

bool Room::evict(uint64_t bytes) {
  std::vector<policy::PieceView> views;
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
  device_.foresight.rank(views);
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
  device_.pressed = true;
  fast_path.short_of_memory.store(true, std::memory_order_relaxed);
  std::vector<Piece*> refused;
  {
    Unlocked open(held_);
    refused = mover_.evict(leaving, Cause::Pressure);
  }
  for (const Piece* piece : refused) stuck_.insert(piece->id);
  return refused.size() < leaving.size() || leaving.size() < views.size();
}

bool Room::relieve(uint64_t bytes) {
  const uint64_t before = device_.chunks.held();
  while (device_.chunks.idle() < bytes) {
    const uint64_t missing = bytes - device_.chunks.idle();
    if (!free_some(missing) && !settle_oldest(&Device::outs) && !wait_for_others()) break;
    while (settle_oldest(&Device::outs)) {
    }
  }
  Unlocked open(held_);
  device_.chunks.trim(before > bytes ? before - bytes : 0);
  device_.chunks.make_do();
  return device_.chunks.held() < before;
}

uint64_t Room::leaving_bytes() const {
  uint64_t bytes = 0;
  for (const Move& move : device_.outs)
    if (move.piece) bytes += move.bytes;
  return bytes;
}

uint64_t Room::spare_bytes() const {
  const uint64_t budget = device_.budget();
  return std::min(std::max(budget / kSpareShare, kSparePieces * device_.piece_bytes),
                  budget / kMostSpareShare);
}

uint64_t Room::departing_bytes() const {
  uint64_t bytes = 0;
  for (const uint32_t id : device_.departures)
    if (const Piece* piece = device_.foresight.find(id)) bytes += piece->bytes;
  return bytes;
}

uint64_t Room::cached_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [span, list] : engine_.cached)
    for (const Range* range : list)
      if (range->device == device_.ordinal) bytes += range->extent;
  return bytes;
}

policy::Space Room::space() const {
  return {device_.chunks.room(device_.budget()) + cached_bytes(),
          leaving_bytes() + departing_bytes()};
}

void Room::keep_spare() {
  const uint64_t spare = spare_bytes();
  while (device_.pressed && !device_.foresight.keeps_room()) {
    // What is freed and cached goes at once when it must; while it need not, the next allocation of
    // its size has it without a driver call.
    const uint64_t room = device_.chunks.room(device_.budget()) + leaving_bytes() + cached_bytes();
    if (mover_.full(&Device::outs) || room >= spare || !evict(spare - room)) return;
  }
}

void Room::shrink(bool wait) {
  while (device_.chunks.held() > device_.budget()) {
    {
      Unlocked open(held_);
      device_.chunks.trim(device_.budget());
    }
    const uint64_t held = device_.chunks.held(), most = device_.budget() + leaving_bytes();
    const bool begun = held > most && free_some(held - most);
    if (!wait || (!begun && !settle_oldest(&Device::outs))) return;
  }
}

}  // namespace spillway
