// SPDX-License-Identifier: Apache-2.0
// Placing operations on the engines of one device; see timeline.h.
#include "tests/sim/driver/timeline.h"

#include <algorithm>

#include "tests/sim/driver/profile.h"

namespace sim {

void Track::add(Interval interval) {
  const auto at =
      std::upper_bound(intervals_.begin(), intervals_.end(), interval,
                       [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
  intervals_.insert(at, interval);
  if (intervals_.size() > kKept) intervals_.erase(intervals_.begin());
}

const Interval* Track::first_overlap(double begin, double end) const {
  for (const Interval& i : intervals_) {
    if (i.begin < end && i.end > begin) return &i;
  }
  return nullptr;
}

Interval Timeline::kernel(double ready, double duration_ns, double share) {
  double begin = ready;
  for (;;) {
    double used = share;
    int running = 0;
    double next = 0;  // the earliest end among those in the way
    compute_.each_overlap(begin, begin + duration_ns, [&](const Interval& other) {
      used += other.share;
      if (!running++ || other.end < next) next = other.end;
    });
    constexpr double kRounding = 1e-9;
    if (!running || (used <= 1 + kRounding && running < kConcurrentKernels)) break;
    begin = next;
  }
  const Interval placed{begin, begin + duration_ns, share};
  compute_.add(placed);
  return placed;
}

// Integrates over the pieces of time in which the other direction is busy or not. Charging the
// whole slow-down to the copy that was submitted later keeps the sum of both directions right.
double Timeline::copy_end(Engine engine, double begin, uint64_t bytes) const {
  const Profile& p = profile();
  if (engine == Engine::CopyDtoD) return begin + p.copy_latency_ns + bytes / p.copy_rate;
  const bool in = engine == Engine::CopyHtoD;
  const double alone = in ? p.htod_rate : p.dtoh_rate;
  const double shared = std::min(alone, p.both_rate - (in ? p.dtoh_rate : p.htod_rate));
  double at = begin + p.copy_latency_ns;
  double left = static_cast<double>(bytes);
  (in ? dtoh_ : htod_).each_overlap(at, 1e300, [&](const Interval& other) {
    const double free_until = std::max(at, other.begin);
    if (left <= (free_until - at) * alone) return;  // ended before the other begins
    left -= (free_until - at) * alone;
    at = free_until;
    const double during = std::min(left, (std::max(other.end, at) - at) * shared);
    left -= during;
    at += during / shared;
  });
  return at + left / alone;
}

Interval Timeline::copy(Engine engine, double ready, uint64_t bytes) {
  Track& track = engine == Engine::CopyHtoD ? htod_ : engine == Engine::CopyDtoH ? dtoh_ : dtod_;
  double begin = ready;
  double end = copy_end(engine, begin, bytes);
  while (const Interval* other = track.first_overlap(begin, end)) {
    begin = other->end;
    end = copy_end(engine, begin, bytes);
  }
  const Interval placed{begin, end, 1};
  track.add(placed);
  return placed;
}

}  // namespace sim
