// SPDX-License-Identifier: Apache-2.0
#include "policy/bounds_lap.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace spillway::policy {
namespace {

// The finest intervals: 2k is the wait before kernel k, 2k + 1 its run. Counted on, around the end
// of the lap.
uint32_t wait_before(uint32_t kernel) {
  return 2 * kernel;
}
uint32_t run_of(uint32_t kernel) {
  return 2 * kernel + 1;
}

std::vector<double> in_use_of(const Cycle& cycle) {
  std::vector<double> bytes(cycle.kernels(), 0);
  for (const Block& block : cycle.blocks) {
    for (const BlockUse& use : cycle.uses_of(block)) {
      bytes[use.kernel] += static_cast<double>(block.bytes);
    }
  }
  return bytes;
}

class Builder {
 public:
  Builder(const Cycle& cycle, const Grid& grid)
      : cycle_(cycle), kernels_(static_cast<uint32_t>(cycle.kernels())) {
    const std::vector<double> in_use = in_use_of(cycle);
    for (uint32_t fine = 0; fine < 2 * kernels_; ++fine) {
      const uint32_t kernel = fine / 2;
      if (lap_.intervals() < grid.size() && grid[lap_.intervals()] == fine) {
        lap_.run_ns.push_back(0);
        // A run begins at the start of its kernel, a wait at the end of the one before.
        const bool run = fine == run_of(kernel);
        lap_.in_use.push_back(in_use[run ? kernel : (kernel + kernels_ - 1) % kernels_]);
      }
      if (fine == run_of(kernel)) lap_.run_ns.back() += static_cast<double>(cycle.ns[kernel]);
      interval_.push_back(lap_.intervals() - 1);
    }
  }

  Lap build() {
    for (const Block& block : cycle_.blocks) {
      if (block.count > 0) add(block);
    }
    merge();
    return std::move(lap_);
  }

 private:
  struct Place {
    uint32_t kernel = 0;  // counted on, around the end of the lap
    Mode mode = Mode::Read;
  };

  uint32_t interval(uint32_t fine) const {
    return interval_[fine % (2 * kernels_)] + lap_.intervals() * (fine / (2 * kernels_));
  }

  void add(const Block& block) {
    const auto uses = cycle_.uses_of(block);
    places_.clear();
    for (const BlockUse& use : uses) {
      const bool around = !places_.empty() && use.kernel <= places_.back().kernel;
      places_.push_back({use.kernel + (around ? kernels_ : 0), use.mode});
    }
    const auto write = std::ranges::find_if(places_, [](const Place& p) { return writes(p.mode); });
    const size_t first = write - places_.begin();
    if (!block.lasting) {
      // What it holds before it is first written is not needed, nor after its last use.
      if (first < places_.size()) add_between_writes(block, first, places_.size());
      return;
    }
    for (size_t i = 0; i < uses.size(); ++i) {
      places_.push_back({places_[i].kernel + kernels_, places_[i].mode});
    }
    if (first < uses.size()) {
      add_between_writes(block, first, first + uses.size() + 1);
      return;
    }
    for (size_t i = 0; i < uses.size(); ++i) add_chain(block, i, i + 2, false);
  }

  // Of places_[begin] to places_[end - 1], the first is a write.
  void add_between_writes(const Block& block, size_t begin, size_t end) {
    for (size_t from = begin, i = begin + 1; i <= end; ++i) {
      const bool write = i < end && writes(places_[i].mode);
      if (i < end && !write) continue;
      const bool needed = write && reads(places_[i].mode);
      add_chain(block, from, needed ? i + 1 : i, true);
      from = i;
    }
  }

  void add_chain(const Block& block, size_t begin, size_t end, bool written) {
    Chain chain{.bytes = static_cast<double>(block.bytes),
                .first = static_cast<uint32_t>(lap_.gaps.size()),
                .written = written};
    uint32_t free_from = interval(run_of(places_[begin].kernel) + 1);
    for (size_t i = begin; i + 1 < end; ++i) {
      const uint32_t from = interval(run_of(places_[i].kernel) + 1);
      const uint32_t to = interval(wait_before(places_[i + 1].kernel));
      if (from == to) continue;  // it stays for nothing
      const uint32_t first = from % lap_.intervals();
      lap_.gaps.push_back({first, to - from, written && from > free_from ? from - free_from : 0});
      free_from = to + 1;
      ++chain.count;
    }
    if (chain.count > 0) lap_.chains.push_back(chain);
  }

  void merge() {
    const auto before = [this](const Chain& a, const Chain& b) {
      if (a.written != b.written) return a.written < b.written;
      return std::ranges::lexicographical_compare(lap_.gaps_of(a), lap_.gaps_of(b), {}, key, key);
    };
    std::ranges::stable_sort(lap_.chains, before);
    std::vector<Chain> merged;
    for (const Chain& chain : lap_.chains) {
      if (!merged.empty() && !before(merged.back(), chain)) {
        merged.back().bytes += chain.bytes;
      } else {
        merged.push_back(chain);
      }
    }
    lap_.chains = std::move(merged);
  }
  static std::tuple<uint32_t, uint32_t, uint32_t> key(const Gap& gap) {
    return {gap.first, gap.length, gap.before};
  }

  const Cycle& cycle_;
  uint32_t kernels_;
  std::vector<uint32_t> interval_;  // that each finest one belongs to
  std::vector<Place> places_;       // the uses of one block
  Lap lap_;
};

}  // namespace

Grid finest_grid(const Cycle& cycle) {
  Grid grid(2 * cycle.kernels());
  std::iota(grid.begin(), grid.end(), 0);
  return grid;
}

Grid coarser(const Cycle& cycle, const Grid& grid, size_t intervals) {
  if (grid.size() <= intervals) return grid;
  const std::vector<double> in_use = in_use_of(cycle);
  const double time = std::accumulate(cycle.ns.begin(), cycle.ns.end(), 0.0);
  const double bytes = std::accumulate(in_use.begin(), in_use.end(), 0.0);
  std::vector<double> share(grid.size(), 0);
  for (uint32_t fine = 0, at = 0; fine < 2 * cycle.kernels(); ++fine) {
    if (at + 1 < grid.size() && grid[at + 1] == fine) ++at;
    const uint32_t kernel = fine / 2;
    share[at] += fine == run_of(kernel)
                     ? static_cast<double>(cycle.ns[kernel]) / std::max(time, 1.0)
                     : in_use[kernel] / std::max(bytes, 1.0);
  }
  const auto joined = [&](double limit) {
    Grid result;
    double sum = 0;
    for (size_t i = 0; i < grid.size(); ++i) {
      if (i == 0 || sum + share[i] > limit) {
        result.push_back(grid[i]);
        sum = 0;
      }
      sum += share[i];
    }
    return result;
  };
  // All shares together are 2, and what two neighbours of the result hold is above the limit.
  double low = 0, high = 4.0 / static_cast<double>(intervals - 1);
  for (int i = 0; i < 16; ++i) {
    const double middle = (low + high) / 2;
    (joined(middle).size() <= intervals ? high : low) = middle;
  }
  return joined(high);
}

Lap lap_of(const Cycle& cycle, const Grid& grid) {
  return Builder(cycle, grid).build();
}

}  // namespace spillway::policy
