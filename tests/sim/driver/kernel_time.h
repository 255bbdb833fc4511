// SPDX-License-Identifier: Apache-2.0
// How long a kernel takes in virtual time.
#pragma once

#include <string>

#include "tests/sim/ptx/ptx.h"

namespace sim {

struct KernelTime {
  double duration_ns = 0;
  double share = 1;  // of the device's compute
};

// A launch of few threads has a part of the device: of its instruction rate in proportion to the
// threads that are resident at full occupancy, and of its memory bandwidth four times that (a
// quarter of the threads keeps HBM busy). Then max(instructions / rate, bytes / bandwidth) +
// latency. Bytes in host memory go at the zero-copy rate of the link instead. SIMCUDA_KERNEL_TIMES
// overrides the duration by kernel name: "name=us,name=us", or @file with one name=us a line.
KernelTime kernel_time(const std::string& name, uint64_t threads, const ptx::Counts& counts);

}  // namespace sim
