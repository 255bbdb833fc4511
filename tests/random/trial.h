// SPDX-License-Identifier: Apache-2.0
// One seed, several worlds: its program alone on a big GPU, then with the library on small ones,
// and what differs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/random/plan.h"
#include "tests/support/place.h"

namespace random_program {

struct TrialOptions {
  support::Gpu gpu = support::Gpu::Simulated;
  std::string program;
  Size size;         // of the programs
  int budgets = 2;   // hooked runs of each seed
  int seconds = 60;  // deadline of one run
};

struct Trial {
  uint64_t operations = 0;              // executed with the library in front
  uint64_t moves = 0;                   // evictions and fetches
  std::vector<std::string> mismatches;  // each a report of several lines; empty: all the same
};

Trial try_seed(uint64_t seed, const TrialOptions& options);

}  // namespace random_program
