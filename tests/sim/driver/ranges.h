// SPDX-License-Identifier: Apache-2.0
// Free ranges of a line of bytes (addresses of the window, offsets in a memory file), first fit.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>

namespace sim {

inline constexpr uint64_t round_up(uint64_t value, uint64_t step) {
  return (value + step - 1) / step * step;
}

// The caller serialises access.
class FreeRanges {
 public:
  FreeRanges(uint64_t begin, uint64_t size) { free_.emplace(begin, size); }

  // Lowest range that fits; align is a power of two. False: none.
  bool take(uint64_t size, uint64_t align, uint64_t* out) {
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      const uint64_t begin = round_up(it->first, align);
      const uint64_t skipped = begin - it->first;
      if (skipped > it->second || it->second - skipped < size) continue;
      cut(it, begin, size);
      *out = begin;
      return true;
    }
    return false;
  }
  bool take_at(uint64_t begin, uint64_t size) {
    auto it = free_.upper_bound(begin);
    if (it == free_.begin()) return false;
    --it;
    if (begin - it->first > it->second || it->second - (begin - it->first) < size) return false;
    cut(it, begin, size);
    return true;
  }
  void give(uint64_t begin, uint64_t size) {
    auto next = free_.lower_bound(begin);
    if (next != free_.end() && begin + size == next->first) {
      size += next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == begin) {
        before->second += size;
        return;
      }
    }
    free_.emplace(begin, size);
  }

 private:
  void cut(std::map<uint64_t, uint64_t>::iterator it, uint64_t begin, uint64_t size) {
    const uint64_t end = it->first + it->second;
    if (begin == it->first) {
      free_.erase(it);
    } else {
      it->second = begin - it->first;
    }
    if (begin + size != end) free_.emplace(begin + size, end - begin - size);
  }

  std::map<uint64_t, uint64_t> free_;  // begin -> size, never adjacent
};

}  // namespace sim
