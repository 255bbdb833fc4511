// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace spillway {

// A group (cgroup v1 or v2) with a limit on memory, that this process is in or below. Version 1
// says "no limit" by a number near 2^63.
struct MemoryGroup {
  int version = 0;
  std::string folder;
  uint64_t limit = 0, used = 0;
};
// In a container the group that /proc names may lie outside of what is mounted; its root is then
// where the limit stands.
std::vector<MemoryGroup> memory_groups();

// Host memory this process may still take, in bytes: MemAvailable, less where a cgroup (v1 or v2)
// allows less. Over-pinning ends in the OOM killer, not in a CUDA error.
uint64_t available_host_memory() noexcept;

}  // namespace spillway
