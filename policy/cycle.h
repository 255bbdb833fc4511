// SPDX-License-Identifier: Apache-2.0
// One iteration of a job that repeats for ever: what plans and bounds are computed from. Positions
// are kernels, 0 to n - 1; n is 0 of the next lap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "policy/workload.h"

namespace spillway::policy {

struct BlockUse {
  uint32_t kernel = 0;
  Mode mode = Mode::ReadWrite;
};

// Memory that is there in every lap: an allocation that lives on, or one that is made anew in each.
struct Block {
  uint64_t bytes = 0;
  uint32_t first = 0, count = 0;  // its uses, in Cycle::uses: at most one by each kernel
  bool lasting = true;            // it is never freed: its last use is followed by its first
  // Otherwise, it is allocated just before kernel `born` and freed just before kernel `dies`: born
  // is below n, dies is above born and at most born + n. What it holds before its first use is not
  // needed. Its uses are in the order of its life: from born on, around the end of the lap.
  uint32_t born = 0, dies = 0;
};

struct Cycle {
  std::vector<uint64_t> ns;  // of each kernel
  std::vector<Block> blocks;
  std::vector<BlockUse> uses;

  size_t kernels() const { return ns.size(); }
  std::span<const BlockUse> uses_of(const Block& block) const {
    return {uses.data() + block.first, block.count};
  }
};

// The iteration between the marks `lap` and `lap` + 1 of a workload, if it repeats the one before
// it: the n-th allocation of one is that of the other. Buffers that nobody uses in it are left out,
// unless a later iteration reads them before it writes them: these are lasting blocks without uses.
// A life of more than a lap counts as one of a lap if nobody uses its rest. Empty: there is no such
// iteration, or none between marks before it (so it is for lap 0), or it does not repeat, or it
// uses a buffer beside its successor of the same lap.
Cycle cycle_of(const Workload& workload, size_t lap);

}  // namespace spillway::policy
