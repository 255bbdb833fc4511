// SPDX-License-Identifier: Apache-2.0
// Which gaps between uses are spent away from the device, so that at every kernel what is there
// fits: the first half of a plan.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "policy/cycle.h"
#include "policy/range_max.h"

namespace spillway::policy {

// Between two uses of a block that follow each other: after kernel `after`, before kernel `due`.
struct Gap {
  uint32_t block = 0;
  uint32_t after = 0, due = 0;  // due > after, at most n further
  bool after_write = false;     // some use since the previous gap's end has written it
};

// Everything about a cycle that does not depend on which gaps are chosen.
class Gaps {
 public:
  explicit Gaps(const Cycle& cycle);  // which it keeps hold of
  explicit Gaps(Cycle&&) = delete;
  const Cycle& cycle() const { return *cycle_; }
  std::span<const Gap> all() const { return gaps_; }
  uint64_t bytes(const Gap& gap) const { return cycle_->blocks[gap.block].bytes; }
  // Bytes on the device at each kernel when every block that is used in the lap stays.
  std::span<const int64_t> occupied() const { return occupied_; }
  // Gaps by the kernel they begin after.
  std::span<const uint32_t> after(uint32_t kernel) const {
    return {by_after_.data() + first_after_[kernel],
            first_after_[kernel + 1] - first_after_[kernel]};
  }
  uint64_t widest() const { return widest_; }  // what one kernel uses, at most
  double at(uint32_t position) const {  // when a kernel would begin if nothing were waited for
    const auto n = static_cast<uint32_t>(cycle_->kernels());
    return begin_[position % n] + (position >= n ? begin_[n] : 0);
  }
  double lap() const { return begin_.back(); }

 private:
  const Cycle* cycle_;
  std::vector<Gap> gaps_;
  std::vector<int64_t> occupied_;
  std::vector<uint32_t> by_after_, first_after_;
  std::vector<double> begin_;
  uint64_t widest_ = 0;
};

struct CoverRule {
  double headroom = 0;      // share of the capacity that is left free
  double horizon = 1;       // gaps that serve at least this share of what the best does are alike
  bool all_round = false;   // a gap serves for all of the lap that it spans, not only what is next
  double clean_weight = 1;  // how much longer a gap counts that needs no copy out
};

// For each gap, whether it is spent away. Empty: it cannot be done.
std::vector<char> cover(const Gaps& gaps, uint64_t capacity, const CoverRule& rule);

}  // namespace spillway::policy
