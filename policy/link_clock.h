// SPDX-License-Identifier: Apache-2.0
// The link in modelled time: each direction carries one copy after the other, and while both are
// busy the later one gets what the earlier leaves of the combined rate, as on the simulated GPU
// (tests/sim/driver/timeline.h).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "policy/link.h"

namespace spillway::policy {

class LinkClock {
 public:
  enum Direction : size_t { In, Out };

  // From "may start" to the first byte.
  static constexpr double kLatency = 1'500;  // ns

  explicit LinkClock(const Link& link) : link_(link) {}

  // When a copy ends that may begin at `ready`. All times in nanoseconds.
  double copy(Direction direction, double ready, uint64_t bytes) {
    Lane& lane = lanes_[direction];
    const double begin = std::max(ready, lane.end);
    const double end = end_of(direction, begin, static_cast<double>(bytes));
    lane.end = end;
    lane.busy += end - begin;
    lane.copies.push_back({begin, end});
    // Copies of the other direction begin no earlier than its last ends.
    auto& others = lanes_[1 - direction].copies;
    while (!others.empty() && others.front().end <= end) others.pop_front();
    return end;
  }
  double free_at(Direction direction) const { return lanes_[direction].end; }
  double busy(Direction direction) const { return lanes_[direction].busy; }

 private:
  struct Interval {
    double begin, end;
  };
  struct Lane {
    std::deque<Interval> copies;
    double end = 0, busy = 0;
  };

  double end_of(Direction direction, double begin, double left) const {
    const double alone = direction == In ? link_.in : link_.out;
    const double shared = std::min(alone, link_.both - (direction == In ? link_.out : link_.in));
    double at = begin + kLatency;
    const auto& others = lanes_[1 - direction].copies;
    auto other = std::ranges::lower_bound(others, at, {}, &Interval::end);
    for (; shared < alone && other != others.end(); ++other) {
      const double free_until = std::max(at, other->begin);
      if (left <= (free_until - at) * alone) break;
      left -= (free_until - at) * alone;
      at = free_until;
      const double during = std::min(left, std::max(other->end - at, 0.0) * shared);
      left -= during;
      at += during / shared;
    }
    return at + left / alone;
  }

  Link link_;
  Lane lanes_[2];
};

}  // namespace spillway::policy
