// SPDX-License-Identifier: Apache-2.0
// Numbers at positions 0 to n - 1 that are raised by ranges and asked for the greatest of a range:
// a segment tree, logarithmic in both.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace spillway::policy {

class RangeMax {
 public:
  explicit RangeMax(std::span<const int64_t> values)
      : size_(std::bit_ceil(std::max<size_t>(values.size(), 1))),
        most_(2 * size_, kLeast),
        more_(2 * size_, 0) {
    std::ranges::copy(values, most_.begin() + static_cast<std::ptrdiff_t>(size_));
    for (size_t i = size_ - 1; i > 0; i--) most_[i] = std::max(most_[2 * i], most_[2 * i + 1]);
  }

  // To all of [begin, end).
  void add(size_t begin, size_t end, int64_t value) {
    if (begin < end) add(1, 0, size_, begin, end, value);
  }
  int64_t most(size_t begin, size_t end) const {
    return begin < end ? most(1, 0, size_, begin, end) : kLeast;
  }
  int64_t at(size_t position) const { return most(position, position + 1); }
  // The last position in [begin, end) with a number above `limit`; `none` where there is none.
  size_t last_above(size_t begin, size_t end, int64_t limit, size_t none) const {
    const size_t found = begin < end ? last_above(1, 0, size_, begin, end, limit) : kNone;
    return found == kNone ? none : found;
  }

 private:
  static constexpr int64_t kLeast = std::numeric_limits<int64_t>::min() / 2;
  static constexpr size_t kNone = ~size_t{0};

  void add(size_t node, size_t low, size_t high, size_t begin, size_t end, int64_t value) {
    if (begin <= low && high <= end) {
      most_[node] += value;
      more_[node] += value;
      return;
    }
    const size_t middle = (low + high) / 2;
    if (begin < middle) add(2 * node, low, middle, begin, end, value);
    if (end > middle) add(2 * node + 1, middle, high, begin, end, value);
    most_[node] = std::max(most_[2 * node], most_[2 * node + 1]) + more_[node];
  }
  int64_t most(size_t node, size_t low, size_t high, size_t begin, size_t end) const {
    if (begin <= low && high <= end) return most_[node];
    const size_t middle = (low + high) / 2;
    int64_t found = kLeast;
    if (begin < middle) found = most(2 * node, low, middle, begin, end);
    if (end > middle) found = std::max(found, most(2 * node + 1, middle, high, begin, end));
    return found + more_[node];
  }
  size_t last_above(size_t node, size_t low, size_t high, size_t begin, size_t end,
                    int64_t limit) const {
    if (end <= low || high <= begin || most_[node] <= limit) return kNone;
    if (high - low == 1) return low;
    const size_t middle = (low + high) / 2;
    const size_t found = last_above(2 * node + 1, middle, high, begin, end, limit - more_[node]);
    return found != kNone ? found
                          : last_above(2 * node, low, middle, begin, end, limit - more_[node]);
  }

  size_t size_;
  std::vector<int64_t> most_, more_;  // more: what was added to all below a node
};

}  // namespace spillway::policy
