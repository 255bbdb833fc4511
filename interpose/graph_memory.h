// SPDX-License-Identifier: Apache-2.0
// What copy, fill and memory-operation nodes of a graph name.
#pragma once

#include "runtime/rewrites.h"

namespace spillway {

// False when there is no memory for the list.
bool list_node_memory(const CUDA_MEMCPY3D& params, AccessList& accesses) noexcept;
bool list_node_memory(const CUDA_MEMSET_NODE_PARAMS& params, AccessList& accesses) noexcept;
bool list_node_memory(const CUDA_BATCH_MEM_OP_NODE_PARAMS& params, AccessList& accesses) noexcept;
// A node of any type; most name no memory.
bool list_node_memory(const CUgraphNodeParams& params, AccessList& accesses) noexcept;

// What a copy node puts into memory; of every other kind, nothing that could hold an address.
Rewrite node_rewrite(const CUDA_MEMCPY3D& params) noexcept;
Rewrite node_rewrite(const CUgraphNodeParams& params) noexcept;
template <class Params>
Rewrite node_rewrite(const Params&) noexcept {
  return {};
}

}  // namespace spillway
