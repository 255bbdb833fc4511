// SPDX-License-Identifier: Apache-2.0
#include "policy/bounds_lap.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace spillway::policy {
namespace {

// The intervals of the finest lap. Kernels are counted on, around the end of the lap.
uint32_t wait_before(uint32_t kernel) {
  return 2 * kernel;
}
uint32_t run_of(uint32_t kernel) {
  return 2 * kernel + 1;
}

// Writes chains down gap by gap. Intervals are counted on, around the end of the lap.
class ChainWriter {
 public:
  explicit ChainWriter(Lap& lap) : lap_(lap) {}

  void begin(double bytes, bool written) {
    chain_ = {.bytes = bytes, .first = static_cast<uint32_t>(lap_.gaps.size()), .written = written};
  }
  // `copied_from`: the first interval in which the block may be copied out, since the gap before.
  void gap(uint32_t copied_from, uint32_t from, uint32_t to) {
    if (chain_.written && (!waiting_ || copied_from < copied_from_)) copied_from_ = copied_from;
    waiting_ = from == to;
    if (waiting_) return;  // no memory is counted in it: the block stays
    const uint32_t before = chain_.written && from > copied_from_ ? from - copied_from_ : 0;
    lap_.gaps.push_back({from % lap_.intervals(), to - from, before});
    ++chain_.count;
  }
  void end() {
    if (chain_.count > 0) lap_.chains.push_back(chain_);
    waiting_ = false;
  }

 private:
  Lap& lap_;
  Chain chain_;
  uint32_t copied_from_ = 0;
  bool waiting_ = false;  // the gaps before were too short to count
};

class Builder {
 public:
  explicit Builder(const Cycle& cycle)
      : cycle_(cycle), kernels_(static_cast<uint32_t>(cycle.kernels())) {
    lap_.run_ns.assign(2 * kernels_, 0);
    lap_.in_use.assign(2 * kernels_, 0);
    for (uint32_t kernel = 0; kernel < kernels_; ++kernel) {
      lap_.run_ns[run_of(kernel)] = static_cast<double>(cycle.ns[kernel]);
    }
    for (const Block& block : cycle.blocks) {
      for (const BlockUse& use : cycle.uses_of(block)) {
        // Its start and its end.
        lap_.in_use[run_of(use.kernel)] += static_cast<double>(block.bytes);
        lap_.in_use[wait_before(use.kernel + 1) % (2 * kernels_)] +=
            static_cast<double>(block.bytes);
      }
    }
  }

  Lap build() {
    for (const Block& block : cycle_.blocks) {
      if (block.count > 0) add(block);
    }
    return std::move(lap_);
  }

 private:
  struct Place {
    uint32_t kernel = 0;  // counted on, around the end of the lap
    Mode mode = Mode::Read;
  };

  void add(const Block& block) {
    places_.clear();
    for (const BlockUse& use : cycle_.uses_of(block)) {
      const bool around = !places_.empty() && use.kernel <= places_.back().kernel;
      places_.push_back({use.kernel + (around ? kernels_ : 0), use.mode});
    }
    const size_t uses = places_.size();
    const auto is_write = [](const Place& place) { return writes(place.mode); };
    const size_t write = std::ranges::find_if(places_, is_write) - places_.begin();
    if (!block.lasting) {
      // What it holds before it is first written is not needed, nor after its last use.
      if (write < uses) add_between_writes(block, write, uses);
      return;
    }
    for (size_t i = 0; i < uses; ++i) {
      places_.push_back({places_[i].kernel + kernels_, places_[i].mode});
    }
    if (write < uses) {
      add_between_writes(block, write, write + uses + 1);
    } else {
      for (size_t i = 0; i < uses; ++i) add_chain(block, i, i + 2, false);
    }
  }

  // Of places_[begin] to places_[end - 1], the first is a write.
  void add_between_writes(const Block& block, size_t begin, size_t end) {
    for (size_t from = begin, i = begin + 1; i <= end; ++i) {
      if (i < end && !writes(places_[i].mode)) continue;
      const bool needed = i < end && reads(places_[i].mode);
      add_chain(block, from, needed ? i + 1 : i, true);
      from = i;
    }
  }

  void add_chain(const Block& block, size_t begin, size_t end, bool written) {
    ChainWriter writer(lap_);
    writer.begin(static_cast<double>(block.bytes), written);
    for (size_t i = begin; i + 1 < end; ++i) {
      const uint32_t from = wait_before(places_[i].kernel + 1);
      // It may be copied while it is read.
      const uint32_t copied_from = i == begin ? from : run_of(places_[i].kernel);
      writer.gap(copied_from, from, wait_before(places_[i + 1].kernel));
    }
    writer.end();
  }

  const Cycle& cycle_;
  uint32_t kernels_;
  std::vector<Place> places_;  // the uses of one block
  Lap lap_;
};

void merge_alike(Lap& lap) {
  const auto key = [](const Gap& gap) { return std::tuple(gap.first, gap.length, gap.before); };
  const auto before = [&](const Chain& a, const Chain& b) {
    if (a.written != b.written) return a.written < b.written;
    return std::ranges::lexicographical_compare(lap.gaps_of(a), lap.gaps_of(b), {}, key, key);
  };
  std::ranges::stable_sort(lap.chains, before);
  std::vector<Chain> chains;
  Chain last;
  std::vector<Gap> gaps;  // in the order in which they will be read
  for (const Chain& chain : lap.chains) {
    if (!chains.empty() && !before(last, chain)) {
      chains.back().bytes += chain.bytes;
      continue;
    }
    last = chain;
    chains.push_back(chain);
    chains.back().first = static_cast<uint32_t>(gaps.size());
    gaps.insert(gaps.end(), lap.gaps_of(chain).begin(), lap.gaps_of(chain).end());
  }
  lap.gaps = std::move(gaps);
  lap.chains = std::move(chains);
}

// Intervals joined as long as their shares are at most `limit` together.
Grid joined(std::span<const double> shares, double limit) {
  Grid grid;
  double sum = 0;
  for (uint32_t i = 0; i < shares.size(); ++i) {
    if (i == 0 || sum + shares[i] > limit) {
      grid.push_back(i);
      sum = 0;
    }
    sum += shares[i];
  }
  return grid;
}

}  // namespace

Lap lap_of(const Cycle& cycle) {
  return Builder(cycle).build();
}

std::vector<double> needed(const Lap& lap) {
  std::vector<double> change(2 * lap.run_ns.size() + 1, 0);
  for (const Chain& chain : lap.chains) {
    for (const Gap& gap : lap.gaps_of(chain)) {
      change[gap.first + 1] += chain.bytes;
      change[gap.first + gap.length + 1] -= chain.bytes;
    }
  }
  std::vector<double> bytes = lap.in_use;
  double sum = 0;
  for (size_t i = 0; i < 2 * bytes.size(); ++i) bytes[i % bytes.size()] += sum += change[i];
  return bytes;
}

Grid grid_of(const Lap& lap, size_t intervals) {
  if (lap.run_ns.size() <= intervals) {
    Grid grid(lap.run_ns.size());
    std::iota(grid.begin(), grid.end(), 0);
    return grid;
  }
  const auto total = [](const std::vector<double>& values) {
    return std::max(std::accumulate(values.begin(), values.end(), 0.0), 1.0);
  };
  const double time = total(lap.run_ns), bytes = total(lap.in_use);
  std::vector<double> shares;
  for (size_t i = 0; i < lap.run_ns.size(); ++i) {
    shares.push_back((lap.run_ns[i] / time + lap.in_use[i] / bytes) / 2);
  }
  // Half of the intervals have their share, which any two neighbours exceed ...
  const size_t half = intervals / 2;
  double low = 0, high = 2.0 / static_cast<double>(half - 1);
  for (int i = 0; i < 16; ++i) {
    const double middle = (low + high) / 2;
    (joined(shares, middle).size() <= half ? high : low) = middle;
  }
  const Grid even = joined(shares, high);
  // ... and each is cut in two where the most memory is needed in it.
  const std::vector<double> peak = needed(lap);
  Grid grid;
  for (size_t i = 0; i < even.size(); ++i) {
    const uint32_t end = i + 1 < even.size() ? even[i + 1] : lap.intervals();
    uint32_t highest = even[i];
    for (uint32_t at = even[i]; at < end; ++at) {
      if (std::tuple(peak[at], lap.in_use[at]) > std::tuple(peak[highest], lap.in_use[highest]))
        highest = at;
    }
    grid.push_back(even[i]);
    if (highest != even[i]) grid.push_back(highest);
  }
  return grid;
}

Lap coarser(const Lap& lap, const Grid& grid) {
  const auto intervals = static_cast<uint32_t>(grid.size());
  Lap result;
  std::vector<uint32_t> place(lap.intervals());
  for (uint32_t i = 0; i < lap.intervals(); ++i) {
    const size_t next = result.run_ns.size();
    if (next < grid.size() && grid[next] == i) {
      result.run_ns.push_back(0);
      result.in_use.push_back(lap.in_use[i]);
    }
    result.run_ns.back() += lap.run_ns[i];
    place[i] = result.intervals() - 1;
  }
  const auto at = [&](uint32_t i) {
    return place[i % lap.intervals()] + intervals * (i / lap.intervals());
  };
  ChainWriter writer(result);
  for (const Chain& chain : lap.chains) {
    writer.begin(chain.bytes, chain.written);
    uint32_t end = lap.intervals();  // of the gap before
    for (const Gap& gap : lap.gaps_of(chain)) {
      const uint32_t from = end + lap.distance(end, gap.first);
      end = from + gap.length;
      writer.gap(at(from - gap.before), at(from), at(end));
    }
    writer.end();
  }
  merge_alike(result);
  return result;
}

}  // namespace spillway::policy
