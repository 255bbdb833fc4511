// SPDX-License-Identifier: Apache-2.0
// Idle pieces of memory of power-of-two sizes, by size: the book of chunks and of backups.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace spillway {

template <class Part>  // has .bytes
class IdleParts {
 public:
  // The largest that is no larger than `most`.
  std::optional<Part> take_fitting(uint64_t most) {
    auto above = by_size_.upper_bound(most);
    if (above == by_size_.begin()) return std::nullopt;
    return take(--above);
  }
  // The smallest that is larger than `least`.
  std::optional<Part> take_above(uint64_t least) {
    const auto above = by_size_.upper_bound(least);
    if (above == by_size_.end()) return std::nullopt;
    return take(above);
  }
  void give(const Part& part) {
    by_size_[part.bytes].push_back(part);
    bytes_ += part.bytes;
  }
  uint64_t bytes() const { return bytes_; }

 private:
  using Sizes = std::map<uint64_t, std::vector<Part>>;

  Part take(typename Sizes::iterator of_size) {
    const Part part = of_size->second.back();
    of_size->second.pop_back();
    if (of_size->second.empty()) by_size_.erase(of_size);
    bytes_ -= part.bytes;
    return part;
  }

  Sizes by_size_;
  uint64_t bytes_ = 0;
};

}  // namespace spillway
