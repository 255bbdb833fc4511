// SPDX-License-Identifier: Apache-2.0
// Launch configurations: what is checked before a kernel may run.
#pragma once

#include "tests/sim/driver/node.h"

namespace sim {

// Limits of every device since sm_30, but for shared memory.
constexpr unsigned kMaxThreadsPerBlock = 1024;
constexpr unsigned kMaxBlockZ = 64;
constexpr unsigned kMaxGridX = 0x7fffffff;
constexpr unsigned kMaxGridYZ = 65535;
constexpr size_t kDefaultSharedBytes = 48 << 10;  // without asking for more
constexpr size_t kMaxParameterBytes = 32764;
size_t max_shared_bytes();  // of a block that asked for more, by compute capability
unsigned sm_threads();      // resident threads of one SM
size_t sm_shared_bytes();

// Fills node.parameters from whichever of the two is given.
CUresult read_parameters(const ptx::KernelInfo& info, void** parameters, void** extra,
                         std::vector<std::byte>* out);
CUresult check_shape(const KernelNode& node);
// Blocks of this shape that one SM holds; 0: it cannot run.
int blocks_per_sm(const LoadedKernel& kernel, int threads, size_t dynamic_shared);

}  // namespace sim
