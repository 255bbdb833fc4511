// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/policy_verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bench {
namespace {

constexpr double kWaits = 1.02;  // of LB2 over LB0: above, bytes cost time

}  // namespace

void PolicyVerdict::Geomean::add(double value) {
  logs_ += std::log(value);
  count_++;
}

std::string PolicyVerdict::Geomean::text() const {
  return count_ ? fmt::format("{:.3f}", std::exp(logs_ / count_)) : "none";
}

void PolicyVerdict::add(const PolicyCase& which, const CaseFigures& figures) {
  const PolicyFigures* judged = figures.of(kJudged);
  if (!judged || !which.regular()) return;
  const double over = judged->ns / figures.lb2_ns();
  over_.add(over);
  worst_ = std::max(worst_, over);
  if (judged->done && figures.lb2_ns() >= kWaits * static_cast<double>(figures.bounds.lb0_ns))
    bytes_.add(judged->bytes() / figures.least_bytes());
  const PolicyFigures* on_demand = figures.of(kOnDemand);
  if (on_demand && which.workload->name.starts_with("gpt-") && which.ratio == 1.5 &&
      which.link.name == "h200-pcie5")
    gpt150_.add(on_demand->ns / judged->ns);
}

std::string PolicyVerdict::line() const {
  const auto number = [&](double value) {
    return worst_ > 0 ? fmt::format("{:.3f}", value) : "none";
  };
  return fmt::format("policy: {} time/LB2 geomean={} worst={} bytes geomean={} vs_lru={} gpt150={}",
                     kJudged, over_.text(), number(worst_), bytes_.text(), number(1 / worst_),
                     gpt150_.text());
}

}  // namespace bench
