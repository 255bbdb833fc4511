// SPDX-License-Identifier: Apache-2.0
// The iterations of a training loop, found in the kernels that are launched: a program that repeats
// itself launches the same kernels in the same order again and again.
#pragma once

#include <vector>

#include "tools/trace/history.h"

namespace spillway::tools {

struct Iteration {
  uint64_t begin = 0, end = 0;  // ns of CLOCK_MONOTONIC: its first launch, that of the next one
  uint64_t waited = 0;          // ns, by the thread that launches
  uint64_t launches = 0;
  bool usual = false;  // exactly the launches that most have
};

// Empty when the program does not repeat itself clearly: at least three times the same launches,
// which make up most of what there is. The last repetition, which has no end, is left out.
std::vector<Iteration> iterations_of(const History& history);

}  // namespace spillway::tools
