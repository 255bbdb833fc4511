// SPDX-License-Identifier: Apache-2.0
// What no policy can beat: lower bounds on the time of a lap and on the bytes that cross the link,
// in the steady state, for data that may be divided at will and moved at no cost but its bytes.
//
// A kernel starts when all that it uses is on the device, and this stays while it runs. Copies go
// on beside kernels and each other, also out of what a kernel reads. What is overwritten or freed
// next need not be copied, and takes no memory until then; nor does an allocation before its first
// use.
#pragma once

#include <cstdint>

#include "policy/cycle.h"
#include "policy/link.h"

namespace spillway::policy {

struct Bounds {
  uint64_t lb0_ns = 0;  // the kernels alone: unlimited memory
  uint64_t lb1_ns = 0;  // also: the least bytes of a lap over the link
  // Also: when bytes can cross the link. What a window of the lap needs or writes, beyond the
  // capacity, must cross the link inside it. Up to 512 kernels, this was within a part in 300 of
  // the shortest lap under these rules wherever a solver could tell.
  uint64_t lb2_ns = 0;
  // The least that a lap moves. Each is for itself: to move the least in one direction, more may
  // have to move in the other, or more time pass.
  uint64_t in_bytes = 0, out_bytes = 0;
  // False: one kernel uses more than the capacity. Then only `lb0_ns` says something.
  bool feasible = true;
};

// `capacity`: of the device, in bytes; the link's rates are above 0. A cycle of 100,000 kernels
// with 500,000 uses takes about half a second and 90 MB: one of more than 512 kernels is looked at
// in intervals of several, which makes bounds lower and never higher.
Bounds bounds_of(const Cycle& cycle, uint64_t capacity, const Link& link);

}  // namespace spillway::policy
