// SPDX-License-Identifier: Apache-2.0
#include "policy/bounds_ascent.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace spillway::policy {
namespace {

// How fast the means of the gradient and of its square forget.
constexpr double kMean = 0.9, kSquare = 0.99;

}  // namespace

double joint_rate(const Link& link) {
  return std::clamp(link.both, std::max(link.in, link.out), link.in + link.out);
}

Ascent::Ascent(const Lap& lap, double capacity, const Link& link)
    : lap_(lap),
      dual_(lap),
      capacity_(capacity),
      in_(link.in),
      out_(link.out),
      both_(joint_rate(link)) {}

uint64_t Ascent::work() const {
  return 4 * dual_.cells() + 30 * lap_.gaps.size() + 60 * uint64_t{lap_.intervals()};
}

// How the link is used best: what goes in and out in a nanosecond is worth the most at these
// prices.
Ascent::Point Ascent::bytes_per_ns(Point price) const {
  return price.in >= price.out ? Point{in_, both_ - in_} : Point{both_ - out_, out_};
}

// The nearest prices at which a nanosecond of the link is worth at most one.
Ascent::Point Ascent::affordable(Point price) const {
  const Point use = bytes_per_ns(price);
  if (price.in >= 0 && price.out >= 0 && use.in * price.in + use.out * price.out <= 1) return price;
  const std::array<Point, 5> corners{
      {{0, 0}, {1 / in_, 0}, {1 / both_, 1 / both_}, {0, 1 / out_}, {0, 0}}};
  Point nearest;
  double least = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i + 1 < corners.size(); ++i) {
    const auto [x, y] = corners[i];
    const double dx = corners[i + 1].in - x, dy = corners[i + 1].out - y;
    const double along = ((price.in - x) * dx + (price.out - y) * dy) / (dx * dx + dy * dy);
    const double part = std::clamp(along, 0.0, 1.0);
    const Point point{x + part * dx, y + part * dy};
    const double distance = std::hypot(point.in - price.in, point.out - price.out);
    if (distance < least) {
      least = distance;
      nearest = point;
    }
  }
  return nearest;
}

double Ascent::bound(const Prices& prices, Prices& gradient) {
  double sum = dual_.cost(prices, gradient);
  for (uint32_t i = 0; i < lap_.intervals(); ++i) {
    const Point use = bytes_per_ns({prices.in[i], prices.out[i]});
    const double run = lap_.run_ns[i];
    sum += run * (1 - use.in * prices.in[i] - use.out * prices.out[i]);
    sum += prices.memory[i] * (lap_.in_use[i] - capacity_);
    gradient.memory[i] += lap_.in_use[i] - capacity_;
    gradient.in[i] -= run * use.in;
    gradient.out[i] -= run * use.out;
  }
  return sum;
}

double Ascent::climb(Prices& prices, Free free, Pace pace) {
  const uint32_t intervals = lap_.intervals();
  const std::vector<double> zero(intervals, 0);
  Moments moments{{zero, zero, zero}, zero, zero};
  Prices now = prices, gradient;
  double best = -std::numeric_limits<double>::infinity();
  double mean_left = 1, square_left = 1;  // how much of the means is still their start, which is 0
  for (uint32_t step = 0; step < pace.steps; ++step) {
    const double bound_now = bound(now, gradient);
    if (bound_now > best) {
      best = bound_now;
      prices = now;
    }
    mean_left *= kMean;
    square_left *= kSquare;
    const double size = pace.first / in_ / (1 - mean_left) *
                        std::pow(pace.last / pace.first, static_cast<double>(step) / pace.steps);
    const auto along = [&](double& mean, double slope) {
      return mean = kMean * mean + (1 - kMean) * slope;
    };
    const auto scaled = [&](double& square, double slopes) {
      square = kSquare * square + (1 - kSquare) * slopes;
      return size / (std::sqrt(square / (1 - square_left)) + std::numeric_limits<double>::min());
    };
    for (uint32_t i = 0; i < intervals; ++i) {
      const double slope = gradient.memory[i];
      const double move = along(moments.mean.memory[i], slope);
      now.memory[i] =
          std::max(0.0, now.memory[i] + move * scaled(moments.memory[i], slope * slope));
    }
    if (free == Free::Memory) continue;
    for (uint32_t i = 0; i < intervals; ++i) {
      const double in = gradient.in[i], out = gradient.out[i];
      // One scale for both directions: the nearest affordable point is nearest in it.
      const double scale = scaled(moments.link[i], in * in + out * out);
      const Point point = affordable({now.in[i] + along(moments.mean.in[i], in) * scale,
                                      now.out[i] + along(moments.mean.out[i], out) * scale});
      now.in[i] = point.in;
      now.out[i] = point.out;
    }
  }
  return best;
}

}  // namespace spillway::policy
