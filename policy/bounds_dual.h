// SPDX-License-Identifier: Apache-2.0
// The shortest lap is the answer of a linear program: waits, copies and residency of every byte.
// Its dual puts a price on memory at each point and on each direction of the link in each
// interval. *Any* prices give a lower bound: the least that each block can pay for its gaps, less
// what memory and link are worth. So nothing here need be optimal to be true.
#pragma once

#include <cstdint>
#include <vector>

#include "policy/bounds_lap.h"

namespace spillway::policy {

// In nanoseconds per byte: of memory at each point, and of copies in each interval.
struct Prices {
  std::vector<double> memory, in, out;
};

class Dual {
 public:
  explicit Dual(const Lap& lap);

  // What all blocks pay at the least. `taken` becomes what they then take: the bytes that stay at
  // each point, and those that come in and go out in each interval. It is the gradient of the cost.
  double cost(const Prices& prices, Prices& taken);

  size_t cells() const { return cells_.size(); }

 private:
  // The least that one byte pays in a gap of a given start and length, and where.
  struct Cell {
    double in;      // comes in at interval `in_at`; it left at the start
    double out_in;  // goes out at `out_at`, comes in at `back_at`
    double out;     // goes out at `only_out_at`
    uint16_t in_at, out_at, back_at, only_out_at;  // intervals since the start of the row
  };
  // One gap of a chain: what it costs to be at its end, on the device only or on both sides.
  struct Step {
    enum class Way : uint8_t { Stay, Leave, StayAndCopy, LeaveAndCopy };
    double device_only, both;
    Way way;             // to `both`
    bool copied_in_use;  // if not in the gap: just before
  };

  void fill(const Prices& prices);
  const Cell& cell(uint32_t first, uint32_t length) const { return cells_[row_[first] + length]; }
  double keep(uint32_t first, uint32_t length) const {
    return kept_[first + length] - kept_[first];
  }
  double chain_cost(const Chain& chain);
  void take(const Chain& chain, Prices& taken);
  void stay(uint32_t from, uint32_t to, double bytes);

  const Lap& lap_;
  std::vector<size_t> row_;  // of each first interval, in cells_
  std::vector<Cell> cells_;
  std::vector<double> kept_;    // sum of memory prices up to each interval, over two laps
  std::vector<double> change_;  // of the bytes that stay, at each point of two laps
  std::vector<Step> steps_;     // of one chain
};

}  // namespace spillway::policy
