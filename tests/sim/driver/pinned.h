// SPDX-License-Identifier: Apache-2.0
// How much host memory is page-locked: by the host calls, by registration, by cuMemCreate on the
// host. SIMCUDA_PINNED bounds the sum, as a limit on locked memory or a cgroup does.
#pragma once

#include <cstdint>

namespace sim {

bool pin(uint64_t bytes);  // false: more than there may be
void unpin(uint64_t bytes);

}  // namespace sim
