// SPDX-License-Identifier: Apache-2.0
#include "tools/replay/figures.h"

#include <algorithm>
#include <ctime>
#include <utility>

namespace spillway::tools {
namespace {

using policy::Event;
using policy::Replayed;

Replayed::Lap settled(const std::vector<Replayed::Lap>& all, const std::vector<bool>& usual) {
  std::vector<Replayed::Lap> laps;
  for (size_t i = 0; i < all.size(); ++i)
    if (usual[i]) laps.push_back(all[i]);
  laps.erase(laps.begin(), laps.end() - static_cast<std::ptrdiff_t>((laps.size() + 2) / 3));
  std::ranges::sort(laps, {}, &Replayed::Lap::ns);
  return laps[laps.size() / 2];
}

}  // namespace

double Figures::over(uint64_t ns) const {
  return lap.ns / static_cast<double>(std::max<uint64_t>(ns, 1));
}

Job::Job(policy::Workload of)
    : workload(std::move(of)),
      steady(steady_lap(workload)),
      usual(usual_laps(workload, steady)),
      launches(static_cast<size_t>(
          std::ranges::count(workload.events, Event::Kind::Kernel, &Event::kind))) {}

Figures replayed(const Job& job, const Budget& budget, const std::string& policy,
                 policy::Machine machine) {
  machine.capacity = budget.bytes;
  machine.on_demand = policy == kOnDemand;
  const auto made = policy::find_policy(machine.on_demand ? "lru" : policy)->make();
  const std::clock_t began = std::clock();
  const Replayed result = policy::replay(job.workload, *made, machine);
  const double took = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
  Figures figures{.budget = budget, .policy = policy, .done = result.done};
  if (!result.done) return figures;
  figures.lap = settled(result.laps, job.usual);
  figures.launches_per_second = static_cast<double>(job.launches) / std::max(took, 1e-6);
  return figures;
}

}  // namespace spillway::tools
