// SPDX-License-Identifier: Apache-2.0
// Between the driver's parameter structures of graph nodes and our descriptions of them. Nothing
// here takes the scheduler's lock.
#pragma once

#include "tests/sim/driver/graph.h"

namespace sim {

// The context a node runs in: the one named, or the current one.
CUresult node_context(CUcontext handle, Context** out);
CUresult read_params(const CUDA_KERNEL_NODE_PARAMS_v1& params, Context* context, KernelNode* out);
CUresult read_params(const CUDA_KERNEL_NODE_PARAMS_v2& params, Context* context, KernelNode* out);
CUresult read_params(const CUDA_MEMCPY3D& params, CopyNode* out);
CUresult read_params(const CUDA_MEMSET_NODE_PARAMS& params, FillNode* out);
CUresult read_params(const CUDA_HOST_NODE_PARAMS& params, HostNode* out);
CUresult read_params(const CUDA_BATCH_MEM_OP_NODE_PARAMS& params, MemOpNode* out);
CUresult read_event(CUevent handle, EventPtr* out);
// Any node but a child graph's, whose graph must be looked up with the lock held.
CUresult read_params(const CUgraphNodeParams& params, Context** context, Node* out);

void write_params(GraphNode& node, CUDA_KERNEL_NODE_PARAMS_v1* out);
void write_params(GraphNode& node, CUDA_KERNEL_NODE_PARAMS_v2* out);
void write_params(const FillNode& node, CUDA_MEMSET_NODE_PARAMS* out);

}  // namespace sim
