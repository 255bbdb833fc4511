// SPDX-License-Identifier: Apache-2.0
// The laps of a workload, from each iteration mark to the next: which of them it has settled into,
// and as many of them as are wanted.
#pragma once

#include <cstddef>
#include <vector>

#include "policy/cycle.h"
#include "policy/workload.h"

namespace spillway::tools {

// The last lap that repeats the one before it. Its cycle is empty where none does.
struct SteadyLap {
  size_t lap = 0;
  policy::Cycle cycle;
};
SteadyLap steady_lap(const policy::Workload& workload);

// Which laps may be compared with the steady one, or where there is none, with the last that has an
// end: those of as many launches. What follows the last mark counts as a lap, as in replay, and is
// often less than one.
std::vector<bool> usual_laps(const policy::Workload& workload, const SteadyLap& steady);

// The workload with so many laps: the first of them; where there are not so many, the steady lap
// again and again, with new buffers for those that each lap makes. Throws std::runtime_error when
// no lap can be repeated, or when it becomes too much.
policy::Workload with_laps(const policy::Workload& workload, size_t laps);

}  // namespace spillway::tools
