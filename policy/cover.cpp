// SPDX-License-Identifier: Apache-2.0
#include "policy/cover.h"

#include <algorithm>
#include <cmath>

namespace spillway::policy {

namespace {

// Calls visit(begin, end) for the parts of [from, to) in a lap of n; to - from is at most n.
template <class Visit>
void around(size_t from, size_t to, size_t n, Visit&& visit) {
  const size_t begin = from % n, end = begin + (to - from);
  visit(begin, std::min(end, n));
  if (end > n) visit(size_t{0}, end - n);
}

}  // namespace

Gaps::Gaps(const Cycle& cycle) : cycle_(&cycle) {
  const auto n = static_cast<uint32_t>(cycle.kernels());
  std::vector<int64_t> change(n + 1, 0);
  std::vector<uint64_t> used(n, 0);
  const auto occupy = [&](uint32_t from, uint32_t to, uint64_t bytes) {
    around(from, to, n, [&](size_t begin, size_t end) {
      change[begin] += static_cast<int64_t>(bytes);
      change[end] -= static_cast<int64_t>(bytes);
    });
  };
  for (uint32_t b = 0; b < cycle.blocks.size(); b++) {
    const Block& block = cycle.blocks[b];
    const auto uses = cycle.uses_of(block);
    for (const BlockUse& use : uses) used[use.kernel] += block.bytes;
    if (!block.lasting)
      occupy(block.born, block.dies, block.bytes);
    else if (!uses.empty())
      occupy(0, n, block.bytes);
    // What was written in one gap's wake is dirty until the next absence, whichever that is; that
    // is for the plan to say. Here: by the use just before.
    for (size_t i = 0; i < uses.size(); i++) {
      const bool last = i + 1 == uses.size();
      if (last && !block.lasting) break;
      const uint32_t after = uses[i].kernel;
      uint32_t due = uses[last ? 0 : i + 1].kernel;
      if (due <= after) due += n;
      if (due > after + 1) gaps_.push_back({b, after, due, writes(uses[i].mode)});
    }
  }
  occupied_.resize(n);
  int64_t sum = 0;
  for (uint32_t k = 0; k < n; k++) occupied_[k] = sum += change[k];
  widest_ = n ? *std::ranges::max_element(used) : 0;
  begin_.resize(n + 1);
  for (uint32_t k = 0; k < n; k++)
    begin_[k + 1] = begin_[k] + static_cast<double>(std::max<uint64_t>(cycle.ns[k], 1));
  first_after_.assign(n + 1, 0);
  for (const Gap& gap : gaps_) first_after_[gap.after + 1]++;
  for (uint32_t k = 0; k < n; k++) first_after_[k + 1] += first_after_[k];
  by_after_.resize(gaps_.size());
  std::vector<uint32_t> next(first_after_.begin(), first_after_.end());
  for (uint32_t g = 0; g < gaps_.size(); g++) by_after_[next[gaps_[g].after]++] = g;
}

namespace {

// Around the lap once, from where the least is on the device; at each kernel where it is too much,
// gaps that span it are chosen until it fits. Of those, the one that ends last would serve longest;
// but gaps that end at about the same distance are alike, and are chosen so that what comes back is
// spread over the lap rather than all at once.
class Cover {
 public:
  Cover(const Gaps& gaps, uint64_t capacity, const CoverRule& rule)
      : gaps_(gaps),
        rule_(rule),
        n_(static_cast<uint32_t>(gaps.cycle().kernels())),
        limit_(
            static_cast<int64_t>(std::max(static_cast<double>(capacity) * (1 - rule.headroom),
                                          static_cast<double>(std::min(capacity, gaps.widest()))))),
        occupied_(gaps.occupied()),
        chosen_(gaps.all().size(), 0),
        bins_(kBins),
        load_(2 * kBins, 0) {}

  std::vector<char> run() {
    start_ = static_cast<uint32_t>(std::ranges::min_element(gaps_.occupied()) -
                                   gaps_.occupied().begin());
    crowded_.assign(n_ + 1, 0);
    for (uint32_t step = 0; step < n_; step++) {
      const uint32_t kernel = (start_ + step) % n_;
      const bool crowded = !rule_.all_round || gaps_.occupied()[kernel] > limit_;
      crowded_[step + 1] = crowded_[step] + (crowded ? gaps_.at(kernel + 1) - gaps_.at(kernel) : 0);
    }
    // Those that span the start are there when it begins.
    for (uint32_t g = 0; g < gaps_.all().size(); g++)
      if (left(gaps_.all()[g], start_)) offer(g);
    for (step_ = 0; step_ < n_; step_++) {
      const uint32_t kernel = (start_ + step_) % n_;
      while (occupied_.at(kernel) > limit_)
        if (!choose(kernel)) return {};
      for (const uint32_t g : gaps_.after(kernel)) offer(g);
    }
    prune();
    return std::move(chosen_);
  }

 private:
  static constexpr size_t kBins = 128;

  size_t bin_of(uint32_t due) const {
    const double share = gaps_.at(due % n_) / gaps_.lap();
    return std::min(static_cast<size_t>(share * kBins), kBins - 1);
  }
  void offer(uint32_t g) { bins_[bin_of(gaps_.all()[g].due)].push_back(g); }

  // Whether a gap spans `position`, in [start, start + n): it ends how far behind it; 0: it does
  // not.
  uint32_t left(const Gap& gap, uint32_t position) const {
    const uint32_t kernel = position % n_;
    const uint32_t at = gap.after < kernel ? kernel : kernel + n_;
    return at < gap.due ? gap.due - at : 0;
  }

  // How long it serves: of the kernels still to come around, those where too much is there.
  double worth(const Gap& gap) const {
    const uint32_t after = gap.after >= start_ ? gap.after - start_ : gap.after + n_ - start_;
    const uint32_t due = after + (gap.due - gap.after);
    const auto serves = [&](uint32_t from, uint32_t to) {
      from = std::max(from, step_);
      return from < to ? crowded_[to] - crowded_[from] : 0;
    };
    const double lasts =
        serves(after + 1, std::min(due, n_)) + (due > n_ ? serves(0, due - n_) : 0);
    return gap.after_write ? lasts : lasts * rule_.clean_weight;
  }

  // The best of a bin: the one that began last serves as well as any; what is over is dropped.
  uint32_t* best(std::vector<uint32_t>& bin, uint32_t position) {
    while (!bin.empty()) {
      const uint32_t g = bin.back();
      if (!chosen_[g] && left(gaps_.all()[g], position)) return &bin.back();
      bin.pop_back();
    }
    return nullptr;
  }

  bool choose(uint32_t position) {
    double most = 0;
    double worths[kBins];
    for (size_t b = 0; b < kBins; b++) {
      const uint32_t* g = best(bins_[b], position);
      worths[b] = g ? worth(gaps_.all()[*g]) : 0;
      most = std::max(most, worths[b]);
    }
    if (most <= 0) return false;
    // Down the tree of bins, each time to the half that less comes back in.
    bool good[2 * kBins];
    for (size_t b = 0; b < kBins; b++)
      good[kBins + b] = worths[b] > 0 && worths[b] >= most * rule_.horizon;
    for (size_t node = kBins - 1; node > 0; node--)
      good[node] = good[2 * node] || good[2 * node + 1];
    size_t node = 1;
    while (node < kBins) {
      const size_t low = 2 * node, high = low + 1;
      node = !good[low] || (good[high] && load_[high] <= load_[low]) ? high : low;
    }
    const size_t chosen = node - kBins;
    const uint32_t g = bins_[chosen].back();
    bins_[chosen].pop_back();
    for (; node > 0; node /= 2) load_[node] += static_cast<double>(gaps_.bytes(gaps_.all()[g]));
    chosen_[g] = 1;
    spend(gaps_.all()[g], -1);
    return true;
  }

  // The block is away from behind `after` until before `due`.
  void spend(const Gap& gap, int sign) {
    const int64_t bytes = sign * static_cast<int64_t>(gaps_.bytes(gap));
    around(gap.after + 1, gap.due, n_,
           [&](size_t begin, size_t end) { occupied_.add(begin, end, bytes); });
  }
  int64_t most(const Gap& gap) const {
    int64_t found = 0;
    around(gap.after + 1, gap.due, n_,
           [&](size_t begin, size_t end) { found = std::max(found, occupied_.most(begin, end)); });
    return found;
  }

  // What was chosen early may have become superfluous by what was chosen later.
  void prune() {
    std::vector<uint32_t> order;
    for (uint32_t g = 0; g < chosen_.size(); g++)
      if (chosen_[g]) order.push_back(g);
    std::ranges::stable_sort(order, std::greater{},
                             [&](uint32_t g) { return gaps_.bytes(gaps_.all()[g]); });
    for (const uint32_t g : order) {
      const Gap& gap = gaps_.all()[g];
      if (most(gap) + static_cast<int64_t>(gaps_.bytes(gap)) > limit_) continue;
      chosen_[g] = 0;
      spend(gap, 1);
    }
  }

  const Gaps& gaps_;
  const CoverRule rule_;
  const uint32_t n_;
  const int64_t limit_;
  uint32_t start_ = 0, step_ = 0;
  std::vector<double> crowded_;  // from the start up to each step: time at which too much is there
  RangeMax occupied_;
  std::vector<char> chosen_;
  std::vector<std::vector<uint32_t>> bins_;  // gaps that span the present kernel, by their end
  std::vector<double>
      load_;  // bytes that come back: of each bin at kBins + bin, and of pairs above
};

}  // namespace

std::vector<char> cover(const Gaps& gaps, uint64_t capacity, const CoverRule& rule) {
  return Cover(gaps, capacity, rule).run();
}

}  // namespace spillway::policy
