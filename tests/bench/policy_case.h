// SPDX-License-Identifier: Apache-2.0
// One workload with one capacity over one link, under several policies, in modelled time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/bounds.h"
#include "policy/link.h"
#include "tests/workloads/workloads.h"

namespace bench {

// What the first systems of this kind did, and what everything is compared with: recency, and
// nothing moves before the GPU has come to it.
inline constexpr std::string_view kOnDemand = "lru-on-demand";

// That one, and all of the library's.
std::vector<std::string> policy_names();

struct PolicyCase {
  const workloads::Entry* workload = nullptr;
  spillway::policy::Link link;
  double ratio = 0;  // of the workload's peak to the capacity

  bool regular() const { return workload->kind != workloads::Kind::Irregular; }
};

struct PolicyFigures {
  std::string policy;
  bool done = true;  // false: what a kernel uses did not fit, and times are infinite
  double ns = 0;     // of a lap in the steady state: the median of the last third
  double in_bytes = 0, out_bytes = 0, data_ns = 0, room_ns = 0;  // of a lap: the mean of the same
  double whole_ns = 0, whole_bytes = 0;                          // of the whole job, both ways

  double bytes() const { return in_bytes + out_bytes; }
};

struct CaseFigures {
  uint64_t capacity = 0;
  uint64_t widest = 0;  // bytes that one kernel uses; if it is more than the capacity, that is all
  size_t kernels = 0;   // of a lap
  spillway::policy::Bounds bounds{};  // of a lap, unless the workload is irregular
  std::vector<PolicyFigures> policies{};

  double lb2_ns() const { return static_cast<double>(bounds.lb2_ns); }
  double least_bytes() const { return static_cast<double>(bounds.in_bytes + bounds.out_bytes); }
  const PolicyFigures* of(std::string_view policy) const;  // null: it was not asked for
};

// Throws std::runtime_error when a workload that says it is regular does not repeat itself.
CaseFigures measure(const PolicyCase& which, const std::vector<std::string>& policies,
                    unsigned iterations);

}  // namespace bench
