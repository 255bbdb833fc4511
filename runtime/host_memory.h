// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace spillway {

// Host memory this process may still take, in bytes: MemAvailable, less where a cgroup (v1 or v2)
// allows less. Over-pinning ends in the OOM killer, not in a CUDA error.
uint64_t available_host_memory() noexcept;

}  // namespace spillway
