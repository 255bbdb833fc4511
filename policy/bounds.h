// SPDX-License-Identifier: Apache-2.0
// What no policy can beat: lower bounds on the time of a lap and on the bytes that cross the link,
// in the steady state, for data that may be divided at will and moved at no cost but its bytes.
#pragma once

#include <cstdint>

#include "policy/cycle.h"
#include "policy/link.h"

namespace spillway::policy {

struct Bounds {
  uint64_t lb0_ns = 0;  // the kernels alone: unlimited memory
  uint64_t lb1_ns = 0;  // also: the least bytes of a lap over the link
  uint64_t lb2_ns = 0;  // also: what each window of the lap needs must cross the link inside it
  uint64_t in_bytes = 0, out_bytes = 0;  // the least that a lap moves
  bool feasible = true;                  // false: one kernel uses more than the capacity
};

// `capacity`: of the device, in bytes. Time and memory are bounded whatever the size of the cycle:
// a long one is looked at in coarser windows.
Bounds bounds_of(const Cycle& cycle, uint64_t capacity, const Link& link);

}  // namespace spillway::policy
