// SPDX-License-Identifier: Apache-2.0
// What is where in an iteration that repeats: which blocks leave after which kernel, and in which
// order they come back, how early at the earliest.
#pragma once

#include <cstdint>
#include <vector>

#include "policy/cycle.h"
#include "policy/link.h"

namespace spillway::policy {

// A block is away from the end of kernel `after` until kernel `due`: an absence. `due` lies behind
// `after`, at most a lap, and is n or more when it is in the next lap; so is `from`, when it may be
// on its way back: at the earliest once kernel `from` has been submitted.
struct Absence {
  uint32_t block = 0;
  uint32_t after = 0, due = 0, from = 0;
  bool dirty = true;  // it was written since it last came
};

struct Plan {
  std::vector<Absence> absences;  // by `after`
  std::vector<uint32_t> returns;  // the same, as indices, by due modulo n: the order of coming back
  std::vector<uint32_t> away;     // lasting blocks that no kernel uses
  uint64_t lap_ns = 0;            // what a lap takes in the model
  uint64_t in_bytes = 0, out_bytes = 0;  // that a lap moves
  bool feasible = true;                  // false: one kernel uses more than the capacity
};

struct PlanTerms {
  uint64_t capacity = 0;
  Link link;
  double move_ns = 75'000;  // of the thread that remaps, for each block that goes or comes
};

// The best of the candidates that were tried in the model. How many that are depends on the size of
// the cycle alone, so equal input gives equal plans: 100,000 kernels take less than two seconds.
Plan make_plan(const Cycle& cycle, const PlanTerms& terms);

}  // namespace spillway::policy
