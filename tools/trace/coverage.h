// SPDX-License-Identifier: Apache-2.0
// The time that at least one of several overlapping spans covers. They come in the order of their
// ends, as traces have them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

namespace spillway::tools {

class Coverage {
 public:
  // fresh(from, to) for every piece of [from, to) that no span has covered before.
  template <class Fresh>
  void add(uint64_t from, uint64_t to, Fresh fresh) {
    from = std::max(from, forgotten_);
    if (from >= to) return;
    uint64_t begin = from, covered = to;  // all from `covered` on is dealt with
    while (!spans_.empty() && spans_.back().to >= from) {
      const Span last = spans_.back();
      spans_.pop_back();
      if (last.to < covered) fresh(last.to, covered);
      covered = std::min(covered, last.from);
      begin = std::min(begin, last.from);
    }
    if (from < covered) fresh(from, covered);
    spans_.push_back({begin, to});
    if (spans_.size() > kMost) {
      forgotten_ = spans_.front().to;
      spans_.pop_front();
    }
  }

 private:
  // A span that began before this many others is cut short: the sum is never too large.
  static constexpr size_t kMost = 1024;
  struct Span {
    uint64_t from, to;
  };
  std::deque<Span> spans_;  // apart from each other, in order
  uint64_t forgotten_ = 0;
};

}  // namespace spillway::tools
