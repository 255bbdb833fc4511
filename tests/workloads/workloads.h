// SPDX-License-Identifier: Apache-2.0
// Jobs as policies are judged by: what published models do to memory, by formula from their
// configurations. Sizes are those of real jobs; nothing of them is ever allocated. Tensors of less
// than 2 MiB are left out, as the library leaves them to the driver.
//
// Durations by roofline: the longer of flops and bytes, and 3 us. 600 TFLOP/s in bf16, what large
// products reach on an H200 (papers put it at 60 % of 989); 4.0 TB/s of HBM, measured there.
#pragma once

#include <span>
#include <string_view>

#include "policy/workload.h"

namespace workloads {

using spillway::policy::Workload;

struct Entry {
  std::string_view name;
  std::string_view about;
  // Each iteration repeats the one before, from the second on. The others are judged by their whole
  // time.
  bool regular;
  bool gpt;
  Workload (*make)(int iterations);
};

std::span<const Entry> all();
// 100,000 kernels an iteration.
Workload large(int iterations);

// The most that is allocated at once; the most that one kernel uses.
uint64_t peak_bytes(const Workload& workload);
uint64_t widest_kernel(const Workload& workload);

}  // namespace workloads
