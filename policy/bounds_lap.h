// SPDX-License-Identifier: Apache-2.0
// A lap as its bounds see it: intervals of time in which the link works, with a point in front of
// each at which memory is counted, and the gaps between uses in which a block may be away. The
// finest lap has two intervals for each kernel, the wait before it and its run. A coarser one is
// made by leaving out points: what was between two of them is one interval, in which a price holds.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "policy/cycle.h"

namespace spillway::policy {

// The time from one use of a block to the next.
struct Gap {
  uint32_t first = 0;   // the interval that it starts in
  uint32_t length = 0;  // how many intervals later it ends, around the end of the lap
  // The block may be copied out already in so many intervals that end where the gap starts: it is
  // read there, and not written.
  uint32_t before = 0;
};

// A run of gaps between two writes, or one gap of a block that nobody writes: what is copied out
// in one gap need not be copied again in the next. Chains that are alike are one.
struct Chain {
  double bytes = 0;
  uint32_t first = 0, count = 0;  // in Lap::gaps
  bool written = false;           // at its start, only the device has the data
};

struct Lap {
  std::vector<double> run_ns;  // of the kernels in each interval
  std::vector<double> in_use;  // bytes that the kernel at each point uses
  std::vector<Gap> gaps;
  std::vector<Chain> chains;

  uint32_t intervals() const { return static_cast<uint32_t>(run_ns.size()); }
  // From one interval to the next time another comes, less than a lap later.
  uint32_t distance(uint32_t from, uint32_t to) const {
    return (to + intervals() - from % intervals()) % intervals();
  }
  std::span<const Gap> gaps_of(const Chain& chain) const {
    return {gaps.data() + chain.first, chain.count};
  }
};

Lap lap_of(const Cycle& cycle);
// At each point: the bytes that are in use or needed later, wherever they are.
std::vector<double> needed(const Lap& lap);

// Which intervals of a lap begin those of a coarser one. The first does.
using Grid = std::vector<uint32_t>;
// At most `intervals`, such that each has its share of the time and of the bytes in use, and that
// there are points where the most memory is needed.
Grid grid_of(const Lap& lap, size_t intervals);
Lap coarser(const Lap& lap, const Grid& grid);

}  // namespace spillway::policy
