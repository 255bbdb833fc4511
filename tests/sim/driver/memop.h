// SPDX-License-Identifier: Apache-2.0
// Stream memory operations: what is checked before one may be queued.
#pragma once

#include <cuda.h>

namespace sim {

CUresult check_mem_op(const CUstreamBatchMemOpParams& operation);

}  // namespace sim
