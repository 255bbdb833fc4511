// SPDX-License-Identifier: Apache-2.0
// What `spillway replay` finds for one budget and one policy: a line of its table.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/bounds.h"
#include "policy/replay.h"
#include "tools/replay/input.h"
#include "tools/replay/laps.h"

namespace spillway::tools {

// `lru`, and nothing moves before a kernel waits for it: what a patched framework did.
inline constexpr std::string_view kOnDemand = "lru-on-demand";

struct Figures {
  Budget budget;
  std::string policy;
  bool done = false;
  policy::Replayed::Lap lap = {};  // the median, by time, of the last third of the usual ones
  std::optional<policy::Bounds> bounds = {};
  double launches_per_second = 0;  // of processor time, by the model and the policy

  double over(uint64_t ns) const;
};

// A job as it is replayed again and again.
struct Job {
  policy::Workload workload;
  SteadyLap steady;
  std::vector<bool> usual;
  size_t launches = 0;  // in all

  explicit Job(policy::Workload of);
};

// `machine`: without the capacity, and whether it is on demand.
Figures replayed(const Job& job, const Budget& budget, const std::string& policy,
                 policy::Machine machine);

}  // namespace spillway::tools
