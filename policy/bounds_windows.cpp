// SPDX-License-Identifier: Apache-2.0
#include "policy/bounds_windows.h"

#include <algorithm>

namespace spillway::policy {
namespace {

// A value for every window: a first interval and a length of at most a lap.
class Windows {
 public:
  explicit Windows(uint32_t intervals)
      : intervals_(intervals), values_(size_t{intervals} * (intervals + 1), 0) {}

  double& at(uint32_t first, uint32_t length) {
    return values_[size_t{first % intervals_} * (intervals_ + 1) + length];
  }
  // What sum() makes a value for each length from `least` to `most`.
  void add(uint32_t first, uint32_t least, uint32_t most, double value) {
    at(first, least) += value;
    if (most < intervals_) at(first, most + 1) -= value;
  }
  void sum() {
    for (uint32_t first = 0; first < intervals_; ++first) {
      for (uint32_t i = 1; i <= intervals_; ++i) at(first, i) += at(first, i - 1);
    }
  }
  const double* from(uint32_t first) const {
    return &values_[size_t{first % intervals_} * (intervals_ + 1)];
  }

 private:
  uint32_t intervals_;
  std::vector<double> values_;
};

// For each length i: the bytes of gaps around the point i intervals before a place, of gaps that
// end just before the place.
Windows ending(const Lap& lap) {
  Windows bytes(lap.intervals());
  for (const Chain& chain : lap.chains) {
    for (const Gap& gap : lap.gaps_of(chain)) {
      bytes.add(gap.first + gap.length + 1, 1, gap.length, chain.bytes);
    }
  }
  bytes.sum();
  return bytes;
}

// For each length i: the bytes of gaps around the point i intervals after a place, of blocks that
// were written just before the place.
Windows written(const Lap& lap) {
  Windows bytes(lap.intervals());
  for (const Chain& chain : lap.chains) {
    if (!chain.written) continue;
    const auto gaps = lap.gaps_of(chain);
    const uint32_t start = gaps.front().first + lap.intervals() - gaps.front().before;
    uint32_t at = start;
    for (const Gap& gap : gaps) {
      at += lap.distance(at, gap.first);
      bytes.add(start, at - start + 1, at - start + gap.length, chain.bytes);
      at += gap.length;
    }
  }
  bytes.sum();
  return bytes;
}

class LongestWay {
 public:
  LongestWay(const Lap& lap, double capacity, const Link& link)
      : lap_(lap),
        intervals_(lap.intervals()),
        in_per_byte_(1 / link.in),
        out_per_byte_(1 / link.out),
        in_(intervals_),
        out_(intervals_),
        longest_(intervals_) {
    Windows needed = ending(lap), made = written(lap);
    for (uint32_t point = 0; point < intervals_; ++point) {
      const double room = capacity - lap.in_use[point];
      double in = 0, out = 0;
      for (uint32_t i = 1; i <= intervals_; ++i) {
        const uint32_t begin = point + intervals_ - i;
        in += needed.at(point + i, i);
        out += made.at(begin, i);
        in_.at(point, i) = (in - room) * in_per_byte_;
        out_.at(begin, i) = (out - room) * out_per_byte_;
      }
    }
    for (uint32_t first = 0; first < intervals_; ++first) {
      longest_.at(first, 1) = lap.run_ns[first];
      for (uint32_t i = 1; i <= intervals_; ++i) {
        double& most = longest_.at(first, i);
        most = std::max({most, in_.at(first, i), out_.at(first, i)});
      }
    }
  }

  Prices prices() {
    const uint32_t start = a_place_of_the_longest();
    measure(start, intervals_);
    const std::vector<double> zero(intervals_, 0);
    Prices prices{zero, zero, zero};
    walk_back(start, intervals_,
              [&](uint32_t begin, uint32_t length) { charge(prices, begin, length); });
    return prices;
  }

 private:
  // The longest times from a point to those that follow.
  double measure(uint32_t start, uint32_t length) {
    time_.assign(length + 1, 0);
    for (uint32_t i = 0; i < length; ++i) {
      const double so_far = time_[i];
      const double* const longest = longest_.from(start + i);
      double* const time = &time_[i];
      const uint32_t left = std::min(length - i, intervals_);
      for (uint32_t j = 1; j <= left; ++j) time[j] = std::max(time[j], so_far + longest[j]);
    }
    return time_[length];
  }

  // The windows that the longest time is made of, backwards.
  template <class Visit>
  void walk_back(uint32_t start, uint32_t length, Visit visit) {
    for (uint32_t end = length; end > 0;) {
      uint32_t begin = end - 1;
      while (time_[begin] + longest_.at(start + begin, end - begin) < time_[end]) --begin;
      visit(start + begin, end - begin);
      end = begin;
    }
  }

  // The longest way of many laps from anywhere soon repeats the longest lap.
  uint32_t a_place_of_the_longest() {
    constexpr uint32_t kLaps = 6;
    measure(0, kLaps * intervals_);
    uint32_t place = 0;
    walk_back(0, kLaps * intervals_, [&](uint32_t begin, uint32_t) {
      if (begin >= kLaps / 2 * intervals_) place = begin;
    });
    return place % intervals_;
  }

  void charge(Prices& prices, uint32_t first, uint32_t length) {
    const double in = in_.at(first, length), out = out_.at(first, length);
    if (length == 1 && lap_.run_ns[first % intervals_] >= std::max(in, out)) return;
    if (std::max(in, out) <= 0) return;
    const bool is_in = in > out;
    const double price = is_in ? in_per_byte_ : out_per_byte_;
    prices.memory[(is_in ? first : first + length) % intervals_] += price;
    for (uint32_t i = 0; i < length; ++i) {
      (is_in ? prices.in : prices.out)[(first + i) % intervals_] = price;
    }
  }

  const Lap& lap_;
  uint32_t intervals_;
  double in_per_byte_, out_per_byte_;
  Windows in_, out_, longest_;  // the time that each window takes
  std::vector<double> time_;
};

}  // namespace

Prices longest_windows(const Lap& lap, double capacity, const Link& link) {
  return LongestWay(lap, capacity, link).prices();
}

}  // namespace spillway::policy
