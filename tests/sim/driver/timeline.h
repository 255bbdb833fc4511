// SPDX-License-Identifier: Apache-2.0
// The engines of one device in virtual time: where an operation that may start at some moment
// really runs. Deterministic: the answer depends only on what was placed before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/sim/driver/stream.h"

namespace sim {

struct Interval {
  double begin = 0, end = 0;
  double share = 1;  // of the engine
};

// What an engine has been given, in order of begin. Later operations may fill gaps: on hardware, a
// copy that waits for its event does not hold up another stream's copy.
class Track {
 public:
  void add(Interval interval);
  // The first interval that overlaps [begin, end), or null.
  const Interval* first_overlap(double begin, double end) const;
  template <class Visit>
  void each_overlap(double begin, double end, Visit&& visit) const {
    for (const Interval& i : intervals_) {
      if (i.begin < end && i.end > begin) visit(i);
    }
  }

 private:
  // Older intervals are forgotten: operations that far apart in submission order do not compete.
  static constexpr size_t kKept = 256;
  std::vector<Interval> intervals_;
};

class Timeline {
 public:
  // Kernels of different streams overlap while their shares of the device add up to at most one,
  // and at most this many at once (the hardware's own limit).
  static constexpr int kConcurrentKernels = 128;

  Interval kernel(double ready, double duration_ns, double share);
  // A copy runs alone in its direction, at the link's rate; while the other direction is busy, at
  // what is left of the link's combined rate.
  Interval copy(Engine engine, double ready, uint64_t bytes);

 private:
  double copy_end(Engine engine, double begin, uint64_t bytes) const;

  Track compute_, htod_, dtoh_, dtod_;
};

}  // namespace sim
