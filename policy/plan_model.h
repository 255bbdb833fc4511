// SPDX-License-Identifier: Apache-2.0
// What a lap takes under a plan: the job's thread, the GPU, the thread that remaps and the link in
// modelled time, a few laps of it, of which the last counts.
#pragma once

#include "policy/cover.h"
#include "policy/plan.h"

namespace spillway::policy {

struct Lap {
  double ns = 0;
  bool done = false;  // false: the plan got stuck
};

// The plan's absences and returns are complete.
Lap run_laps(const Gaps& gaps, const Plan& plan, const PlanTerms& terms);

}  // namespace spillway::policy
