// SPDX-License-Identifier: Apache-2.0
// A run of a program with the library in front, on the simulated GPU and in lock-step, and what it
// comes to in virtual time.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/bench/live_programs.h"

namespace bench {

inline constexpr const char* kProfile = "h200-pcie5";  // the machine

struct LiveRun {
  std::string policy;      // empty: what the library takes when nobody says
  uint64_t budget = 0;     // bytes; 0: more than enough
  uint64_t footprint = 0;  // bytes, when there is a budget: the host must be able to hold it
  std::string trace;       // where it goes; empty: none
  int schedule = 1;        // seed; makes no difference
};

// Of an iteration, once it is in its steady state: over the last few of the program.
struct Figures {
  double ns = 0;                          // the median
  double out_bytes = 0, in_bytes = 0;     // that crossed the link
  double stall_ns = 0;                    // in which no kernel ran
  double usable = 0;                      // share of the budget that held live bytes at the peak
  double virtual_ns = 0;                  // of the whole run
  std::map<std::string, double> kernels;  // how long each took on average, ns
  std::string out;                        // what the program said
};

// Throws std::runtime_error: the program failed, or was not done in `seconds`.
Figures run_live(const LiveProgram& program, const LiveRun& run, int seconds);

}  // namespace bench
