// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>

#include "policy/plan_model.h"

namespace spillway::policy {

namespace {

// From behind `after` to before `due`, in positions of one lap.
template <class Visit>
void around(uint32_t from, uint32_t to, uint32_t n, Visit&& visit) {
  const uint32_t begin = from % n, end = begin + (to - from);
  visit(begin, std::min(end, n));
  if (end > n) visit(0u, end - n);
}

// Whether a block that goes has to be copied: it was written since it last came.
void find_dirty(const Gaps& gaps, const std::vector<char>& chosen, Plan& plan) {
  const Cycle& cycle = gaps.cycle();
  // The absence of a block that begins after a kernel, by block.
  std::vector<std::vector<uint32_t>> of_block(cycle.blocks.size());
  for (uint32_t a = 0; a < plan.absences.size(); a++) of_block[plan.absences[a].block].push_back(a);
  for (uint32_t b = 0; b < cycle.blocks.size(); b++) {
    if (of_block[b].empty()) continue;
    const Block& block = cycle.blocks[b];
    const auto uses = cycle.uses_of(block);
    // Twice around: what a lasting block is at the end of a lap it is at the beginning.
    bool dirty = !block.lasting;
    for (int lap = 0; lap < (block.lasting ? 2 : 1); lap++) {
      for (const BlockUse& use : uses) {
        dirty |= writes(use.mode);
        for (const uint32_t a : of_block[b]) {
          if (plan.absences[a].after != use.kernel) continue;
          plan.absences[a].dirty = dirty;
          dirty = false;
        }
      }
    }
  }
  (void)chosen;
}

class Planner {
 public:
  Planner(const Cycle& cycle, const PlanTerms& terms) : gaps_(cycle), terms_(terms) {}

  Plan run() {
    const Cycle& cycle = gaps_.cycle();
    Plan best;
    for (uint32_t b = 0; b < cycle.blocks.size(); b++)
      if (cycle.blocks[b].lasting && !cycle.blocks[b].count) best.away.push_back(b);
    best.lap_ns = static_cast<uint64_t>(gaps_.lap());
    const auto peak = gaps_.occupied().empty() ? 0 : std::ranges::max(gaps_.occupied());
    if (peak <= static_cast<int64_t>(terms_.capacity)) return best;
    best.feasible = false;
    for (const CoverRule& rule : rules()) consider(rule, &best);
    return best;
  }

 private:
  // The order is that of promise; a long cycle tries the first of them only.
  std::vector<CoverRule> rules() const {
    std::vector<CoverRule> all;
    for (const double headroom : {0.02, 0.01, 0.0, 0.05, 0.1, 0.2})
      for (const bool all_round : {false, true})
        for (const double horizon : {1.0, 0.6, 0.0}) all.push_back({headroom, horizon, all_round});
    return all;
  }

  void consider(const CoverRule& rule, Plan* best) {
    const std::vector<char> chosen = cover(gaps_, terms_.capacity, rule);
    if (chosen.empty()) return;
    Plan plan = schedule(chosen);
    const Lap lap = run_laps(gaps_, plan, terms_);
    if (!lap.done) return;
    plan.lap_ns = static_cast<uint64_t>(lap.ns);
    // The model is not so exact that a little time were worth much traffic.
    constexpr double kAlike = 0.01;
    if (best->feasible) {
      const auto time = static_cast<double>(plan.lap_ns), least = static_cast<double>(best->lap_ns);
      if (time > least * (1 + kAlike)) return;
      if (time > least * (1 - kAlike) &&
          plan.in_bytes + plan.out_bytes >= best->in_bytes + best->out_bytes)
        return;
    }
    plan.away = best->away;
    *best = std::move(plan);
  }

  // When each may come back: as soon as there is room for it from then on.
  Plan schedule(const std::vector<char>& chosen) {
    const Cycle& cycle = gaps_.cycle();
    const auto n = static_cast<uint32_t>(cycle.kernels());
    Plan plan;
    for (uint32_t kernel = 0; kernel < n; kernel++)
      for (const uint32_t g : gaps_.after(kernel)) {
        const Gap& gap = gaps_.all()[g];
        if (chosen[g]) plan.absences.push_back({gap.block, gap.after, gap.due, gap.due, true});
      }
    find_dirty(gaps_, chosen, plan);
    RangeMax occupied(gaps_.occupied());
    const auto spend = [&](uint32_t from, uint32_t to, int64_t bytes) {
      around(from, to, n, [&](uint32_t begin, uint32_t end) { occupied.add(begin, end, bytes); });
    };
    for (const Absence& absence : plan.absences) {
      const auto bytes = static_cast<int64_t>(cycle.blocks[absence.block].bytes);
      spend(absence.after + 1, absence.due, -bytes);
      plan.in_bytes += static_cast<uint64_t>(bytes);
      if (absence.dirty) plan.out_bytes += static_cast<uint64_t>(bytes);
    }
    plan.returns.resize(plan.absences.size());
    std::iota(plan.returns.begin(), plan.returns.end(), 0u);
    std::ranges::stable_sort(plan.returns, {},
                             [&](uint32_t a) { return plan.absences[a].due % n; });
    // From where it is fullest: nothing comes back across that.
    uint32_t fullest = 0;
    for (uint32_t k = 1; k < n; k++)
      if (occupied.at(k) > occupied.at(fullest)) fullest = k;
    const auto first = std::ranges::lower_bound(
        plan.returns, fullest + 1, {}, [&](uint32_t a) { return plan.absences[a].due % n; });
    std::vector<uint32_t> order(first, plan.returns.end());
    order.insert(order.end(), plan.returns.begin(), first);
    for (const uint32_t a : order) {
      Absence& absence = plan.absences[a];
      const auto bytes = static_cast<int64_t>(cycle.blocks[absence.block].bytes);
      const int64_t limit = static_cast<int64_t>(terms_.capacity) - bytes;
      absence.from = absence.after + 1;
      // The later part of (after, due) first.
      const uint32_t begin = (absence.after + 1) % n, length = absence.due - absence.after - 1;
      const uint32_t low_end = std::min(begin + length, n);
      const uint32_t none = ~0u;
      if (begin + length > n) {
        const size_t found = occupied.last_above(0, begin + length - n, limit, none);
        if (found != none)
          absence.from = absence.after + 1 + (n - begin) + static_cast<uint32_t>(found) + 1;
      }
      if (absence.from == absence.after + 1) {
        const size_t found = occupied.last_above(begin, low_end, limit, none);
        if (found != none)
          absence.from = absence.after + 1 + (static_cast<uint32_t>(found) - begin) + 1;
      }
      spend(absence.from, absence.due, bytes);
    }
    return plan;
  }

  const Gaps gaps_;
  const PlanTerms terms_;
};

}  // namespace

Plan make_plan(const Cycle& cycle, const PlanTerms& terms) {
  if (cycle.ns.empty()) return {};
  return Planner(cycle, terms).run();
}

}  // namespace spillway::policy
