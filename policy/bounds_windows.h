// SPDX-License-Identifier: Apache-2.0
// Windows: from a point on, what is needed by its end and has no room on the device at the point
// must come in; up to a point, what is written and needed later and has no room at the point must
// go out. Windows follow one another around the lap, with kernels between them.
#pragma once

#include "policy/bounds_dual.h"
#include "policy/link.h"

namespace spillway::policy {

// The succession of windows and kernels that takes the longest, as prices: a window is one on the
// link in each of its intervals, and one on memory at its point. Their bound is at least as long.
Prices longest_windows(const Lap& lap, double capacity, const Link& link);

}  // namespace spillway::policy
