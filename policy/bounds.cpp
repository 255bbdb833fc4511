// SPDX-License-Identifier: Apache-2.0
#include "policy/bounds.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "policy/bounds_ascent.h"
#include "policy/bounds_windows.h"

namespace spillway::policy {
namespace {

// 512 kernels have every point of their own. An ascent on few points gets farther in its time, and
// its prices are a start on more.
constexpr size_t kFinest = 1024, kCoarsest = 48;
// About nanoseconds, for all ascents together. Fewer steps than `kFewSteps` on a level are in vain.
constexpr uint64_t kWork = 700'000'000, kFewSteps = 100, kManySteps = 5'000;

using Pace = Ascent::Pace;
using Free = Ascent::Free;

uint64_t whole(double value) {
  constexpr double kRounding = 1e-9;  // more than sums of doubles lose
  return value <= 0 ? 0 : static_cast<uint64_t>(value * (1 - kRounding));
}

Prices flat(uint32_t intervals, double in, double out) {
  return {std::vector<double>(intervals, 0), std::vector<double>(intervals, in),
          std::vector<double>(intervals, out)};
}

// The same prices on the lap that the grid was made for.
Prices refined(const Prices& prices, const Grid& grid, uint32_t intervals) {
  Prices result = flat(intervals, 0, 0);
  for (size_t i = 0; i < grid.size(); ++i) {
    const uint32_t end = i + 1 < grid.size() ? grid[i + 1] : intervals;
    result.memory[grid[i]] = prices.memory[i];
    std::fill(result.in.begin() + grid[i], result.in.begin() + end, prices.in[i]);
    std::fill(result.out.begin() + grid[i], result.out.begin() + end, prices.out[i]);
  }
  return result;
}

// The best prices so far for one question, and the nanoseconds that they prove.
struct Search {
  Prices prices;
  double ns = 0;

  void climb(Ascent& ascent, Free free, Pace pace) {
    ns = std::max(ns, ascent.climb(prices, free, pace));
  }
};

// Prices on the laps of one cycle, from the coarsest to the finest.
class Searches {
 public:
  Searches(const Lap& finest, double capacity, const Link& link)
      : capacity_(capacity), link_(link), grids_{grid_of(finest, kFinest)} {
    laps_.push_back(coarser(finest, grids_.back()));
    while (laps_.back().intervals() > kCoarsest) {
      grids_.push_back(grid_of(laps_.back(), laps_.back().intervals() / 2));
      laps_.push_back(coarser(laps_.back(), grids_.back()));
    }
  }

  Bounds run(uint64_t lb0_ns) {
    climb_windows();
    for (size_t level = laps_.size(); level-- > 0;) {
      const bool coarsest = level + 1 == laps_.size();
      if (coarsest) {
        start();
      } else {
        refine(level);
      }
      Ascent ascent(laps_[level], capacity_, link_);
      uint64_t steps = kWork / (laps_.size() + 1) / ascent.work();
      if (steps < kFewSteps) {
        if (!coarsest) break;
        steps = kWork / ascent.work();
      }
      climb(ascent, std::clamp(steps, kFewSteps / 4, kManySteps), coarsest);
    }
    Bounds bounds{.lb0_ns = lb0_ns, .lb1_ns = lb0_ns};
    bounds.in_bytes = whole(in_.ns * link_.in);
    bounds.out_bytes = whole(out_.ns * link_.out);
    for (const Search* search : bytes_) bounds.lb1_ns = std::max(bounds.lb1_ns, whole(search->ns));
    bounds.lb2_ns = std::max({bounds.lb1_ns, whole(time_.ns), whole(windows_.ns)});
    return bounds;
  }

 private:
  void start() {
    const uint32_t intervals = laps_.back().intervals();
    const double both = 1 / joint_rate(link_);
    in_.prices = flat(intervals, 1 / link_.in, 0);
    out_.prices = flat(intervals, 0, 1 / link_.out);
    both_.prices = flat(intervals, both, both);
  }

  void refine(size_t level) {
    for (Search* search : {&in_, &out_, &both_, &time_}) {
      search->prices = refined(search->prices, grids_[level + 1], laps_[level].intervals());
    }
  }

  void climb(Ascent& ascent, uint64_t steps, bool first) {
    const Pace bytes{static_cast<uint32_t>(steps / 5), first ? 1 : 0.3, 1e-3};
    const Pace time{static_cast<uint32_t>(steps * 2 / 5), first ? 0.3 : 0.1, 1e-4};
    for (Search* search : bytes_) search->climb(ascent, Free::Memory, bytes);
    if (first) {
      time_ = **std::ranges::max_element(bytes_, {}, [](const Search* one) { return one->ns; });
    }
    time_.climb(ascent, Free::MemoryAndLink, time);
  }

  void climb_windows() {
    windows_.prices = longest_windows(laps_.front(), capacity_, link_);
    Ascent ascent(laps_.front(), capacity_, link_);
    const uint64_t steps = std::min(kWork / (laps_.size() + 1) / ascent.work(), kManySteps / 4);
    windows_.climb(ascent, Free::MemoryAndLink, {static_cast<uint32_t>(steps + 1), 0.03, 1e-4});
  }

  double capacity_;
  const Link& link_;
  std::vector<Grid> grids_;
  std::vector<Lap> laps_;   // the finest first
  Search in_, out_, both_;  // the link has one price everywhere: how long a lap's bytes take
  std::array<Search*, 3> bytes_{&in_, &out_, &both_};
  // The link has prices of its own in each interval: found from the best of those, and from
  // windows.
  Search time_, windows_;
};

}  // namespace

Bounds bounds_of(const Cycle& cycle, uint64_t capacity, const Link& link) {
  Bounds bounds;
  bounds.lb0_ns = std::accumulate(cycle.ns.begin(), cycle.ns.end(), uint64_t{0});
  bounds.lb1_ns = bounds.lb2_ns = bounds.lb0_ns;
  if (cycle.kernels() == 0) return bounds;
  const auto room = static_cast<double>(capacity);
  const Lap finest = lap_of(cycle);
  bounds.feasible = std::ranges::max(finest.in_use) <= room;
  if (!bounds.feasible || std::ranges::max(needed(finest)) <= room) return bounds;
  return Searches(finest, room, link).run(bounds.lb0_ns);
}

}  // namespace spillway::policy
