// SPDX-License-Identifier: Apache-2.0
// The generator of random numbers: the same sequence for a seed on every machine and library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace random_program {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {  // splitmix64
    uint64_t value = state_ += 0x9E3779B97F4A7C15u;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
  }
  size_t below(size_t limit) { return next() % limit; }
  size_t between(size_t low, size_t high) { return low + below(high - low + 1); }
  bool percent(unsigned chance) { return below(100) < chance; }
  template <class T>
  const T& one_of(const std::vector<T>& items) {
    return items[below(items.size())];
  }

 private:
  uint64_t state_;
};

// Choices out of a number that was drawn for something else, so that the programs of older seeds
// stay what they were.
class Leftover {
 public:
  explicit Leftover(size_t number) : number_(number) {}

  size_t below(size_t limit) {
    const size_t chosen = number_ % limit;
    number_ /= limit;
    return chosen;
  }

 private:
  size_t number_;
};

}  // namespace random_program
