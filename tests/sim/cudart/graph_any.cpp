// SPDX-License-Identifier: Apache-2.0
// Nodes of any kind through one struct. The runtime's and the driver's have one layout; only
// kernels, copies and sets are worded differently inside.
#include <cstring>

#include "tests/sim/cudart/call.h"
#include "tests/sim/cudart/convert.h"

using namespace sim::cudart;

namespace {

static_assert(sizeof(cudaGraphNodeParams) == sizeof(CUgraphNodeParams));

cudaError_t describe(const cudaGraphNodeParams* in, CUgraphNodeParams* out) {
  if (in == nullptr) return cudaErrorInvalidValue;
  if (const cudaError_t error = need_context(); error != cudaSuccess) return error;
  CUcontext context = nullptr;
  driver().CtxGetCurrent(&context);
  std::memcpy(out, in, sizeof *out);
  cudaError_t error = cudaSuccess;
  if (in->type == cudaGraphNodeTypeKernel) {
    const auto& from = in->kernel;
    CUDA_KERNEL_NODE_PARAMS kernel{};
    error = to_driver(cudaKernelNodeParams{from.func, from.gridDim, from.blockDim,
                                           from.sharedMemBytes, from.kernelParams, from.extra},
                      &kernel);
    static_assert(sizeof out->kernel >= sizeof kernel);
    std::memset(out->reserved1, 0, sizeof out->reserved1);
    std::memcpy(&out->kernel, &kernel, sizeof kernel);  // the third version appends to the second
  } else if (in->type == cudaGraphNodeTypeMemcpy) {
    std::memset(out->reserved1, 0, sizeof out->reserved1);
    out->memcpy.copyCtx = context;
    error = to_driver(in->memcpy.copyParams, &out->memcpy.copyParams);
  } else if (in->type == cudaGraphNodeTypeMemset) {
    out->memset.ctx = context;
  } else if (in->type == cudaGraphNodeTypeConditional) {
    out->conditional.ctx = context;
  }
  return error;
}

// What the driver answers inside the struct: the address of an allocation, the bodies of a
// condition.
void answer(const CUgraphNodeParams& from, cudaGraphNodeParams* to) {
  if (to->type == cudaGraphNodeTypeMemAlloc)
    to->alloc.dptr = reinterpret_cast<void*>(from.alloc.dptr);
  else if (to->type == cudaGraphNodeTypeConditional)
    to->conditional.phGraph_out = from.conditional.phGraph_out;
}

}  // namespace

CUDART_EXPORT cudaError_t cudaGraphAddNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                           const cudaGraphNode_t* dependencies,
                                           const cudaGraphEdgeData* edges, size_t count,
                                           cudaGraphNodeParams* params) {
  CUgraphNodeParams any;
  if (const cudaError_t error = describe(params, &any); error != cudaSuccess)
    return remember(error);
  const cudaError_t error =
      call(&Driver::GraphAddNode, node, graph, dependencies, edges, count, &any);
  if (error == cudaSuccess) answer(any, params);
  return error;
}

CUDART_EXPORT cudaError_t cudaGraphNodeSetParams(cudaGraphNode_t node,
                                                 cudaGraphNodeParams* params) {
  CUgraphNodeParams any;
  if (const cudaError_t error = describe(params, &any); error != cudaSuccess)
    return remember(error);
  return call(&Driver::GraphNodeSetParams, node, &any);
}

CUDART_EXPORT cudaError_t cudaGraphExecNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node,
                                                     cudaGraphNodeParams* params) {
  CUgraphNodeParams any;
  if (const cudaError_t error = describe(params, &any); error != cudaSuccess)
    return remember(error);
  return call(&Driver::GraphExecNodeSetParams, exec, node, &any);
}
