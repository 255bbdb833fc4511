// SPDX-License-Identifier: Apache-2.0
#include "policy/online.h"

#include <algorithm>
#include <functional>

namespace spillway::policy {

namespace {

constexpr uint64_t kAhead = 64;           // events
constexpr uint64_t kWatermarkShare = 50;  // 2 % of the capacity is kept free

}  // namespace

bool Online::done(const Wanted& wanted) const {
  return wanted.event < history_.now() || !ranges_.live(wanted.range) ||
         ranges_[wanted.range].life != wanted.life || ranges_[wanted.range].there();
}

bool Online::look_ahead() {
  const uint64_t expected = history_.expected(), distance = history_.distance();
  if (expected == History::kNone) {
    wanted_.clear();
    seen_ = 0;
    return false;
  }
  if (seen_ < expected || seen_ > expected + kAhead || distance != seen_distance_) {
    wanted_.clear();
    seen_ = expected;
    seen_distance_ = distance;
  }
  for (; seen_ < std::min(expected + kAhead, history_.now()); seen_++) {
    for (const History::Touch& touch : history_.touches(seen_)) {
      // The same, or what this lap has made in its place.
      Handle range = ranges_.of_life(touch.life);
      if (range == Ranges::kNobody) range = ranges_.of_life(touch.life + distance);
      if (range != Ranges::kNobody)
        wanted_.push_back({range, ranges_[range].life, seen_ + distance});
    }
  }
  while (!wanted_.empty() && done(wanted_.front())) wanted_.pop_front();
  return !wanted_.empty();
}

void Online::propose(const Space& space, uint64_t capacity, std::vector<Proposal>* out) const {
  const uint64_t watermark = capacity / kWatermarkShare;
  const auto lacks = [&](uint64_t room, uint64_t wanted) {
    return wanted > room ? wanted - room : 0;
  };
  uint64_t free = space.free;
  uint64_t missing = lacks(free + space.leaving, watermark);
  uint64_t soonest = history_.now();
  bool full = false;
  for (const Wanted& wanted : wanted_) {
    if (full) break;
    if (done(wanted)) continue;
    for (const NewPiece& piece : ranges_[wanted.range].pieces) {
      if (piece.present) continue;
      full = free < piece.bytes + watermark;
      if (full) {
        missing = std::max(missing, lacks(free + space.leaving, piece.bytes + watermark));
        break;
      }
      free -= piece.bytes;
      out->push_back({piece.id, false});
    }
    soonest = wanted.event;
  }
  if (missing && history_.expected() != History::kNone) make_room(missing, soonest, out);
}

// What is used later than `soonest`, the last first.
void Online::make_room(uint64_t bytes, uint64_t soonest, std::vector<Proposal>* out) const {
  const uint64_t now = history_.now();
  std::vector<std::pair<uint64_t, Handle>> order;
  for (Handle handle = 0; handle < ranges_.end(); handle++) {
    if (!ranges_.live(handle)) continue;
    const uint64_t next = Ranges::next_use(ranges_[handle], now);
    if (next > soonest + kAhead) order.emplace_back(next, handle);
  }
  std::ranges::sort(order, std::greater{});
  for (const auto& [next, handle] : order) {
    for (const NewPiece& piece : ranges_[handle].pieces) {
      if (!piece.present || piece.shared) continue;
      out->push_back({piece.id, true});
      if (bytes <= piece.bytes) return;
      bytes -= piece.bytes;
    }
  }
}

}  // namespace spillway::policy
