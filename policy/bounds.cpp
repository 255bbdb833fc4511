// SPDX-License-Identifier: Apache-2.0
#include "policy/bounds.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "policy/bounds_ascent.h"

namespace spillway::policy {
namespace {

double E(const char* n, double d) {
  const char* v = getenv(n);
  return v ? atof(v) : d;
}

// The same prices on a finer grid.
Prices refined(const Prices& prices, const Grid& from, const Grid& to) {
  Prices result;
  for (size_t i = 0, at = 0; i < to.size(); ++i) {
    const bool begins = at < from.size() && from[at] == to[i];
    if (begins) ++at;
    result.memory.push_back(begins ? prices.memory[at - 1] : 0);
    result.in.push_back(prices.in[at - 1]);
    result.out.push_back(prices.out[at - 1]);
  }
  return result;
}

Prices flat(size_t intervals, double in, double out) {
  return {std::vector<double>(intervals, 0), std::vector<double>(intervals, in),
          std::vector<double>(intervals, out)};
}

uint64_t whole(double value) {
  constexpr double kRounding = 1e-9;  // more than what sums of doubles lose
  return value <= 0 ? 0 : static_cast<uint64_t>(value * (1 - kRounding));
}

}  // namespace

Bounds bounds_of(const Cycle& cycle, uint64_t capacity, const Link& link) {
  Bounds bounds;
  bounds.lb0_ns = std::accumulate(cycle.ns.begin(), cycle.ns.end(), uint64_t{0});
  bounds.lb1_ns = bounds.lb2_ns = bounds.lb0_ns;
  if (cycle.kernels() == 0) return bounds;
  std::vector<Grid> grids{coarser(cycle, finest_grid(cycle), size_t(E("TMAX", 512)))};
  while (grids.back().size() > E("TMIN", 64)) {
    grids.push_back(coarser(cycle, grids.back(), grids.back().size() / 2));
  }
  std::ranges::reverse(grids);
  std::array<Prices, 4> p;
  std::array<double, 4> best{};
  for (size_t level = 0; level < grids.size(); ++level) {
    const Lap lap = lap_of(cycle, grids[level]);
    Ascent ascent(lap, static_cast<double>(capacity), link);
    const double both = std::clamp(link.both, std::max(link.in, link.out), link.in + link.out);
    if (level == 0) {
      p[0] = flat(lap.intervals(), 1 / link.in, 0);
      p[1] = flat(lap.intervals(), 0, 1 / link.out);
      p[2] = flat(lap.intervals(), 1 / both, 1 / both);
    } else
      for (auto& q : p) q = refined(q, grids[level - 1], grids[level]);
    uint32_t steps =
        uint32_t(std::clamp(E("BUDGET", 1e9) / grids.size() / double(ascent.work()), 20., 4000.));
    double l0 = level == 0 ? 0.3 : E("LREF", 0.1);
    for (int i = 0; i < 3; i++)
      best[i] = std::max(best[i],
                         ascent.climb(p[i], Ascent::Free::Memory, {steps / 8, l0, E("L1M", 1e-3)}));
    if (level == 0) p[3] = p[std::max_element(best.begin(), best.begin() + 3) - best.begin()];
    best[3] = std::max(best[3],
                       ascent.climb(p[3], Ascent::Free::MemoryAndLink, {steps, l0, E("L1", 1e-4)}));
    if (getenv("LOG"))
      fprintf(stderr, "T=%u chains=%zu gaps=%zu work=%.3fms steps=%u: %.7g %.7g %.7g -> %.8g\n",
              lap.intervals(), lap.chains.size(), lap.gaps.size(), ascent.work() / 1e6, steps,
              best[0], best[1], best[2], best[3]);
  }
  bounds.in_bytes = whole(best[0] * link.in);
  bounds.out_bytes = whole(best[1] * link.out);
  bounds.lb1_ns = std::max({bounds.lb0_ns, whole(best[0]), whole(best[1]), whole(best[2])});
  bounds.lb2_ns = std::max({bounds.lb1_ns, whole(best[3])});
  return bounds;
}

}  // namespace spillway::policy
