// SPDX-License-Identifier: Apache-2.0
// A lap as its bounds see it: intervals of time in which the link works, with a point in front of
// each at which memory is counted, and the gaps between uses in which a block may be away.
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
  std::span<const Gap> gaps_of(const Chain& chain) const {
    return {gaps.data() + chain.first, chain.count};
  }
};

// Where intervals begin. The finest have two for each kernel k: 2k is the wait before it, 2k + 1
// its run. Others hold many of these: memory is counted less often, and a price holds for longer.
using Grid = std::vector<uint32_t>;
Grid finest_grid(const Cycle& cycle);
// At most `intervals` of those of `grid`, joined such that each has its share of the time and of
// the bytes that kernels use.
Grid coarser(const Cycle& cycle, const Grid& grid, size_t intervals);

Lap lap_of(const Cycle& cycle, const Grid& grid);

}  // namespace spillway::policy
