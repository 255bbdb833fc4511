// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/policy_case.h"

#include <algorithm>
#include <limits>
#include <span>
#include <stdexcept>

#include "policy/cycle.h"
#include "policy/policy.h"
#include "policy/replay.h"
#include "tests/bench/median.h"

namespace bench {
namespace {

namespace policy = spillway::policy;
using Lap = policy::Replayed::Lap;

PolicyFigures run(const policy::Workload& workload, const std::string& name,
                  policy::Machine machine) {
  machine.on_demand = name == kOnDemand;
  const policy::PolicyEntry* entry = policy::find_policy(machine.on_demand ? "lru" : name);
  if (!entry) throw std::runtime_error("no policy " + name);
  const auto made = entry->make();
  const policy::Replayed replayed = policy::replay(workload, *made, machine);

  PolicyFigures figures{.policy = name, .done = replayed.done, .whole_ns = replayed.ns};
  if (!replayed.done) {
    figures.ns = figures.whole_ns = std::numeric_limits<double>::infinity();
    return figures;
  }
  for (const Lap& lap : replayed.laps)
    figures.whole_bytes += static_cast<double>(lap.in_bytes + lap.out_bytes);
  const auto steady = std::span(replayed.laps).last((replayed.laps.size() + 2) / 3);
  std::vector<double> times;
  const double share = 1 / static_cast<double>(steady.size());
  for (const Lap& lap : steady) {
    times.push_back(lap.ns);
    figures.in_bytes += share * static_cast<double>(lap.in_bytes);
    figures.out_bytes += share * static_cast<double>(lap.out_bytes);
    figures.data_ns += share * lap.data_ns;
    figures.room_ns += share * lap.room_ns;
  }
  figures.ns = median(times);
  return figures;
}

}  // namespace

const PolicyFigures* CaseFigures::of(std::string_view policy) const {
  const auto found = std::ranges::find(policies, policy, &PolicyFigures::policy);
  return found == policies.end() ? nullptr : &*found;
}

std::vector<std::string> policy_names() {
  std::vector<std::string> names{std::string(kOnDemand)};
  for (const policy::PolicyEntry& entry : policy::policies()) names.emplace_back(entry.name);
  return names;
}

CaseFigures measure(const PolicyCase& which, const std::vector<std::string>& policies,
                    unsigned iterations) {
  const policy::Workload workload = which.workload->make(iterations);
  const auto peak = static_cast<double>(workloads::peak_bytes(workload));
  CaseFigures figures{.capacity = static_cast<uint64_t>(peak / which.ratio),
                      .widest = workloads::widest_kernel(workload)};
  if (figures.widest > figures.capacity) return figures;
  if (which.workload->kind != workloads::Kind::Irregular) {
    const policy::Cycle cycle = policy::cycle_of(workload, iterations - 2);
    if (!cycle.kernels())
      throw std::runtime_error(workload.name + " does not repeat itself, and should");
    figures.kernels = cycle.kernels();
    figures.bounds = policy::bounds_of(cycle, figures.capacity, which.link);
  }
  const policy::Machine machine{.link = which.link, .capacity = figures.capacity};
  for (const std::string& name : policies) figures.policies.push_back(run(workload, name, machine));
  return figures;
}

}  // namespace bench
