// SPDX-License-Identifier: Apache-2.0
// The workloads that policies are judged by, as kernels of an H200 would run them when everything
// fits: sizes and modes of tensors are those of the models named, durations are by roofline
// (job.h). A new one is one function and one row (workloads.cpp).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "policy/workload.h"

namespace workloads {

enum class Kind : uint8_t {
  Regular,    // from its second iteration on, each repeats the one before it
  Irregular,  // it does not, or not always: there is no steady state to bound
  Large,      // regular, and long enough to time a planner with
};

struct Entry {
  std::string_view name;
  std::string_view meaning;
  std::string_view source;  // of its sizes
  Kind kind;
  // Everything that lasts is allocated and filled before the first of `iterations` marks.
  spillway::policy::Workload (*make)(unsigned iterations);
};

std::span<const Entry> all();
const Entry* find(std::string_view name);  // null: there is none of that name

// As many as policies need to reach a steady state and to be measured in it.
inline constexpr unsigned kIterations = 12;

// The most that is allocated at once, and the most that one kernel uses. In bytes.
uint64_t peak_bytes(const spillway::policy::Workload& workload);
uint64_t widest_kernel(const spillway::policy::Workload& workload);

}  // namespace workloads
