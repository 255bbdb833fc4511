// SPDX-License-Identifier: Apache-2.0
// Looks for prices that give a high bound: steps along the mean of the last gradients, for each
// price as long as its own slopes are small, and ever shorter. The link's prices stay where a
// nanosecond of it is worth at most one: a lap can be made longer at that cost.
#pragma once

#include <cstdint>

#include "policy/bounds_dual.h"
#include "policy/link.h"

namespace spillway::policy {

// Bytes per nanosecond in both directions together, as far as that can be.
double joint_rate(const Link& link);

class Ascent {
 public:
  Ascent(const Lap& lap, double capacity, const Link& link);

  enum class Free : uint8_t { Memory, MemoryAndLink };  // which prices it may change
  struct Pace {
    uint32_t steps = 0;
    double first = 0, last = 0;  // the sizes of steps, as shares of what the link may cost
  };
  // The highest bound that was met, in nanoseconds; the prices become those that gave it.
  double climb(Prices& prices, Free free, Pace pace);

  // How much work a step is, in units of about a nanosecond.
  uint64_t work() const;

 private:
  struct Point {  // prices or bytes of the two directions
    double in = 0, out = 0;
  };
  struct Moments {  // of the gradient: means of it and of its square
    Prices mean;
    std::vector<double> memory, link;
  };
  Point bytes_per_ns(Point price) const;
  Point affordable(Point price) const;
  double bound(const Prices& prices, Prices& gradient);

  const Lap& lap_;
  Dual dual_;
  double capacity_;
  double in_, out_, both_;
};

}  // namespace spillway::policy
