// SPDX-License-Identifier: Apache-2.0
// Copy, fill and memory-operation nodes. The driver looks at where their memory is when a graph is
// instantiated or updated, and may run them by what it saw then: their ranges are pinned before.
#pragma once

#include "interpose/shapes.h"
#include "runtime/manager.h"

namespace spillway {

// Pins what the node names and lists it. OUT_OF_MEMORY when something cannot be brought back.
CUresult hold_node_memory(Manager& manager, const CUDA_MEMCPY3D& params,
                          AccessList& accesses) noexcept;
CUresult hold_node_memory(Manager& manager, const CUDA_MEMSET_NODE_PARAMS& params,
                          AccessList& accesses) noexcept;
CUresult hold_node_memory(Manager& manager, const CUDA_BATCH_MEM_OP_NODE_PARAMS& params,
                          AccessList& accesses) noexcept;
// Of any type: those that name no memory hold nothing.
CUresult hold_node_memory(Manager& manager, const CUgraphNodeParams& params,
                          AccessList& accesses) noexcept;

}  // namespace spillway
