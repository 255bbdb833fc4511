// SPDX-License-Identifier: Apache-2.0
#include "policy/verdict.h"

#include <algorithm>
#include <cstdio>

#include "policy/bounds.h"
#include "policy/cover.h"

namespace spillway::policy {

namespace {

constexpr double kLittle = 1.02;  // times that are as good as the same
constexpr double kMuch = 1.10;    // over the bound: it was not for want of link or memory

double over_kernels(const Bounds& bounds) {
  return static_cast<double>(bounds.lb2_ns) /
         static_cast<double>(std::max<uint64_t>(bounds.lb0_ns, 1));
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

std::string gib(uint64_t bytes) {
  char text[32];
  constexpr double kGiB = 1 << 30, kMiB = 1 << 20;
  const auto value = static_cast<double>(bytes);
  if (value >= kGiB)
    std::snprintf(text, sizeof text, "%.1f GiB", value / kGiB);
  else
    std::snprintf(text, sizeof text, "%.0f MiB", value / kMiB);
  return text;
}

// The least memory that takes away half of what the bound is over 1.
void find_more(const Cycle& cycle, uint64_t capacity, const Link& link, Verdict& verdict) {
  const Gaps gaps(cycle);
  const auto peak = static_cast<uint64_t>(std::ranges::max(gaps.occupied()));
  if (peak <= capacity) return;
  const double wanted = 1 + (verdict.bound - 1) / 2;
  uint64_t low = capacity, high = peak;
  verdict.with_more = 1;
  constexpr int kSteps = 7;  // to a hundredth of what is missing
  for (int step = 0; step < kSteps; step++) {
    const uint64_t middle = low + (high - low) / 2;
    const double bound = over_kernels(bounds_of(cycle, middle, link));
    if (bound > wanted) {
      low = middle;
    } else {
      high = middle;
      verdict.with_more = bound;
    }
  }
  verdict.more_bytes = high - capacity;
}

}  // namespace

Verdict verdict_of(const Cycle& cycle, uint64_t capacity, const Link& link, double measured_ns) {
  Verdict verdict;
  if (cycle.ns.empty()) return verdict;
  const Bounds bounds = bounds_of(cycle, capacity, link);
  verdict.measured = measured_ns / static_cast<double>(std::max<uint64_t>(bounds.lb0_ns, 1));
  if (!bounds.feasible) {
    verdict.fault = Verdict::Fault::Capacity;
    const uint64_t widest = Gaps(cycle).widest();
    verdict.more_bytes = widest - std::min(capacity, widest);
    verdict.with_more = over_kernels(bounds_of(cycle, widest, link));
    return verdict;
  }
  verdict.bound = over_kernels(bounds);
  const bool late = measured_ns > kMuch * static_cast<double>(bounds.lb2_ns);
  if (late)
    verdict.fault = Verdict::Fault::Prediction;
  else if (verdict.bound < kLittle)
    verdict.fault = Verdict::Fault::None;
  else
    verdict.fault =
        static_cast<double>(bounds.lb1_ns) * kLittle >= static_cast<double>(bounds.lb2_ns)
            ? Verdict::Fault::Link
            : Verdict::Fault::Window;
  if (verdict.bound >= kLittle) find_more(cycle, capacity, link, verdict);
  return verdict;
}

std::string_view name_of(Verdict::Fault fault) {
  switch (fault) {
    case Verdict::Fault::None:
      return "none";
    case Verdict::Fault::Capacity:
      return "capacity";
    case Verdict::Fault::Link:
      return "link";
    case Verdict::Fault::Window:
      return "window";
    case Verdict::Fault::Prediction:
      return "prediction";
  }
  return "";
}

std::string text_of(const Verdict& verdict, const std::string& who) {
  std::string text;
  if (verdict.fault == Verdict::Fault::Capacity)
    text = "one launch alone uses more than this budget: it runs in place, as slow as the link";
  else if (verdict.bound < kLittle)
    text = "this job at this budget can run as fast as in memory";
  else
    text = "this job at this budget cannot run faster than " + number(verdict.bound) +
           "x of in-memory";
  if (verdict.measured > 0) text += "; " + who + " " + number(verdict.measured) + "x";
  if (verdict.fault == Verdict::Fault::Prediction)
    text += ", which moving earlier could still improve";
  if (verdict.fault == Verdict::Fault::Link)
    text += "; all that must move takes the link that long";
  if (verdict.fault == Verdict::Fault::Window)
    text += "; what must move in some part of an iteration takes longer than that part";
  if (verdict.more_bytes)
    text += "; " + gib(verdict.more_bytes) + " more would allow " + number(verdict.with_more) + "x";
  return text;
}

}  // namespace spillway::policy
