// SPDX-License-Identifier: Apache-2.0
// Graph nodes: adding them, reading and changing their parameters, in a graph and in an executable.
#include "tests/sim/cudart/call.h"
#include "tests/sim/cudart/convert.h"
#include "tests/sim/cudart/registry.h"

using namespace sim::cudart;

namespace {

CUcontext current_context() {
  CUcontext context = nullptr;
  if (need_context() == cudaSuccess) driver().CtxGetCurrent(&context);
  return context;
}

// A copy node in the making: what the three ways to describe it come to.
struct Copy {
  cudaError_t error = cudaSuccess;
  CUDA_MEMCPY3D params{};
};

Copy shaped(const cudaMemcpy3DParms* params) {
  Copy copy;
  copy.error = params == nullptr ? cudaErrorInvalidValue : need_context();
  if (copy.error == cudaSuccess) copy.error = to_driver(*params, &copy.params);
  return copy;
}
Copy flat(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (!valid(kind)) return {cudaErrorInvalidMemcpyDirection, {}};
  return {cudaSuccess, flat_copy(to, from, bytes, kind)};
}
Copy to_symbol(const void* variable, const void* from, size_t bytes, size_t offset,
               cudaMemcpyKind kind) {
  char* to = nullptr;
  const cudaError_t error = symbol_target(variable, offset, bytes, kind, &to);
  return error != cudaSuccess ? Copy{error, {}} : flat(to, from, bytes, kind);
}
Copy from_symbol(void* to, const void* variable, size_t bytes, size_t offset, cudaMemcpyKind kind) {
  char* from = nullptr;
  const cudaError_t error = symbol_source(variable, offset, bytes, kind, &from);
  return error != cudaSuccess ? Copy{error, {}} : flat(to, from, bytes, kind);
}

cudaError_t add(cudaGraphNode_t* node, cudaGraph_t graph, const cudaGraphNode_t* dependencies,
                size_t count, const Copy& copy) {
  if (copy.error != cudaSuccess) return remember(copy.error);
  return call(&Driver::GraphAddMemcpyNode, node, graph, dependencies, count, &copy.params,
              current_context());
}
cudaError_t set(cudaGraphNode_t node, const Copy& copy) {
  if (copy.error != cudaSuccess) return remember(copy.error);
  return call(&Driver::GraphMemcpyNodeSetParams, node, &copy.params);
}
cudaError_t set(cudaGraphExec_t exec, cudaGraphNode_t node, const Copy& copy) {
  if (copy.error != cudaSuccess) return remember(copy.error);
  return call(&Driver::GraphExecMemcpyNodeSetParams, exec, node, &copy.params, current_context());
}

}  // namespace

// --- kernels
// --------------------------------------------------------------------------------------
CUDART_EXPORT cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                                 const cudaGraphNode_t* dependencies, size_t count,
                                                 const cudaKernelNodeParams* params) {
  CUDA_KERNEL_NODE_PARAMS kernel;
  if (params == nullptr) return remember(cudaErrorInvalidValue);
  if (const cudaError_t error = to_driver(*params, &kernel); error != cudaSuccess)
    return remember(error);
  return call(&Driver::GraphAddKernelNode, node, graph, dependencies, count, &kernel);
}
CUDART_EXPORT cudaError_t cudaGraphKernelNodeGetParams(cudaGraphNode_t node,
                                                       cudaKernelNodeParams* params) {
  CUDA_KERNEL_NODE_PARAMS kernel{};
  if (params == nullptr) return remember(cudaErrorInvalidValue);
  const cudaError_t error = call(&Driver::GraphKernelNodeGetParams, node, &kernel);
  if (error == cudaSuccess) *params = to_runtime(kernel);
  return error;
}
CUDART_EXPORT cudaError_t cudaGraphKernelNodeSetParams(cudaGraphNode_t node,
                                                       const cudaKernelNodeParams* params) {
  CUDA_KERNEL_NODE_PARAMS kernel;
  if (params == nullptr) return remember(cudaErrorInvalidValue);
  if (const cudaError_t error = to_driver(*params, &kernel); error != cudaSuccess)
    return remember(error);
  return call(&Driver::GraphKernelNodeSetParams, node, &kernel);
}
CUDART_EXPORT cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t exec,
                                                           cudaGraphNode_t node,
                                                           const cudaKernelNodeParams* params) {
  CUDA_KERNEL_NODE_PARAMS kernel;
  if (params == nullptr) return remember(cudaErrorInvalidValue);
  if (const cudaError_t error = to_driver(*params, &kernel); error != cudaSuccess)
    return remember(error);
  return call(&Driver::GraphExecKernelNodeSetParams, exec, node, &kernel);
}
CUDART_EXPORT cudaError_t cudaGraphKernelNodeCopyAttributes(cudaGraphNode_t to,
                                                            cudaGraphNode_t from) {
  return call(&Driver::GraphKernelNodeCopyAttributes, to, from);
}
CUDART_EXPORT cudaError_t cudaGraphKernelNodeGetAttribute(cudaGraphNode_t node,
                                                          cudaKernelNodeAttrID attribute,
                                                          cudaKernelNodeAttrValue* value) {
  return call(&Driver::GraphKernelNodeGetAttribute, node, attribute, value);
}
CUDART_EXPORT cudaError_t cudaGraphKernelNodeSetAttribute(cudaGraphNode_t node,
                                                          cudaKernelNodeAttrID attribute,
                                                          const cudaKernelNodeAttrValue* value) {
  return call(&Driver::GraphKernelNodeSetAttribute, node, attribute, value);
}

// --- copies
// ---------------------------------------------------------------------------------------
CUDART_EXPORT cudaError_t cudaGraphAddMemcpyNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                                 const cudaGraphNode_t* dependencies, size_t count,
                                                 const cudaMemcpy3DParms* params) {
  return add(node, graph, dependencies, count, shaped(params));
}
CUDART_EXPORT cudaError_t cudaGraphAddMemcpyNode1D(cudaGraphNode_t* node, cudaGraph_t graph,
                                                   const cudaGraphNode_t* dependencies,
                                                   size_t count, void* to, const void* from,
                                                   size_t bytes, cudaMemcpyKind kind) {
  return add(node, graph, dependencies, count, flat(to, from, bytes, kind));
}
CUDART_EXPORT cudaError_t cudaGraphAddMemcpyNodeToSymbol(cudaGraphNode_t* node, cudaGraph_t graph,
                                                         const cudaGraphNode_t* dependencies,
                                                         size_t count, const void* symbol,
                                                         const void* from, size_t bytes,
                                                         size_t offset, cudaMemcpyKind kind) {
  return add(node, graph, dependencies, count, to_symbol(symbol, from, bytes, offset, kind));
}
CUDART_EXPORT cudaError_t cudaGraphAddMemcpyNodeFromSymbol(cudaGraphNode_t* node, cudaGraph_t graph,
                                                           const cudaGraphNode_t* dependencies,
                                                           size_t count, void* to,
                                                           const void* symbol, size_t bytes,
                                                           size_t offset, cudaMemcpyKind kind) {
  return add(node, graph, dependencies, count, from_symbol(to, symbol, bytes, offset, kind));
}
CUDART_EXPORT cudaError_t cudaGraphMemcpyNodeGetParams(cudaGraphNode_t node,
                                                       cudaMemcpy3DParms* params) {
  CUDA_MEMCPY3D copy{};
  if (params == nullptr) return remember(cudaErrorInvalidValue);
  const cudaError_t error = call(&Driver::GraphMemcpyNodeGetParams, node, &copy);
  if (error == cudaSuccess) *params = to_runtime(copy);
  return error;
}
CUDART_EXPORT cudaError_t cudaGraphMemcpyNodeSetParams(cudaGraphNode_t node,
                                                       const cudaMemcpy3DParms* params) {
  return set(node, shaped(params));
}
CUDART_EXPORT cudaError_t cudaGraphMemcpyNodeSetParams1D(cudaGraphNode_t node, void* to,
                                                         const void* from, size_t bytes,
                                                         cudaMemcpyKind kind) {
  return set(node, flat(to, from, bytes, kind));
}
CUDART_EXPORT cudaError_t cudaGraphMemcpyNodeSetParamsToSymbol(cudaGraphNode_t node,
                                                               const void* symbol, const void* from,
                                                               size_t bytes, size_t offset,
                                                               cudaMemcpyKind kind) {
  return set(node, to_symbol(symbol, from, bytes, offset, kind));
}
CUDART_EXPORT cudaError_t cudaGraphMemcpyNodeSetParamsFromSymbol(cudaGraphNode_t node, void* to,
                                                                 const void* symbol, size_t bytes,
                                                                 size_t offset,
                                                                 cudaMemcpyKind kind) {
  return set(node, from_symbol(to, symbol, bytes, offset, kind));
}
CUDART_EXPORT cudaError_t cudaGraphExecMemcpyNodeSetParams(cudaGraphExec_t exec,
                                                           cudaGraphNode_t node,
                                                           const cudaMemcpy3DParms* params) {
  return set(exec, node, shaped(params));
}
CUDART_EXPORT cudaError_t cudaGraphExecMemcpyNodeSetParams1D(cudaGraphExec_t exec,
                                                             cudaGraphNode_t node, void* to,
                                                             const void* from, size_t bytes,
                                                             cudaMemcpyKind kind) {
  return set(exec, node, flat(to, from, bytes, kind));
}
CUDART_EXPORT cudaError_t cudaGraphExecMemcpyNodeSetParamsToSymbol(
    cudaGraphExec_t exec, cudaGraphNode_t node, const void* symbol, const void* from, size_t bytes,
    size_t offset, cudaMemcpyKind kind) {
  return set(exec, node, to_symbol(symbol, from, bytes, offset, kind));
}
CUDART_EXPORT cudaError_t cudaGraphExecMemcpyNodeSetParamsFromSymbol(cudaGraphExec_t exec,
                                                                     cudaGraphNode_t node, void* to,
                                                                     const void* symbol,
                                                                     size_t bytes, size_t offset,
                                                                     cudaMemcpyKind kind) {
  return set(exec, node, from_symbol(to, symbol, bytes, offset, kind));
}

// --- sets
// -----------------------------------------------------------------------------------------
CUDART_EXPORT cudaError_t cudaGraphAddMemsetNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                                 const cudaGraphNode_t* dependencies, size_t count,
                                                 const cudaMemsetParams* params) {
  if (params == nullptr) return remember(cudaErrorInvalidValue);
  const CUDA_MEMSET_NODE_PARAMS fill = to_driver(*params);
  return call(&Driver::GraphAddMemsetNode, node, graph, dependencies, count, &fill,
              current_context());
}
CUDART_EXPORT cudaError_t cudaGraphMemsetNodeGetParams(cudaGraphNode_t node,
                                                       cudaMemsetParams* params) {
  CUDA_MEMSET_NODE_PARAMS fill{};
  if (params == nullptr) return remember(cudaErrorInvalidValue);
  const cudaError_t error = call(&Driver::GraphMemsetNodeGetParams, node, &fill);
  if (error == cudaSuccess) *params = to_runtime(fill);
  return error;
}
CUDART_EXPORT cudaError_t cudaGraphMemsetNodeSetParams(cudaGraphNode_t node,
                                                       const cudaMemsetParams* params) {
  if (params == nullptr) return remember(cudaErrorInvalidValue);
  const CUDA_MEMSET_NODE_PARAMS fill = to_driver(*params);
  return call(&Driver::GraphMemsetNodeSetParams, node, &fill);
}
CUDART_EXPORT cudaError_t cudaGraphExecMemsetNodeSetParams(cudaGraphExec_t exec,
                                                           cudaGraphNode_t node,
                                                           const cudaMemsetParams* params) {
  if (params == nullptr) return remember(cudaErrorInvalidValue);
  const CUDA_MEMSET_NODE_PARAMS fill = to_driver(*params);
  return call(&Driver::GraphExecMemsetNodeSetParams, exec, node, &fill, current_context());
}

// --- host functions
// -------------------------------------------------------------------------------
static_assert(sizeof(cudaHostNodeParams) == sizeof(CUDA_HOST_NODE_PARAMS));
CUDART_EXPORT cudaError_t cudaGraphAddHostNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                               const cudaGraphNode_t* dependencies, size_t count,
                                               const cudaHostNodeParams* params) {
  return call(&Driver::GraphAddHostNode, node, graph, dependencies, count, params);
}
CUDART_EXPORT cudaError_t cudaGraphHostNodeGetParams(cudaGraphNode_t node,
                                                     cudaHostNodeParams* params) {
  return call(&Driver::GraphHostNodeGetParams, node, params);
}
CUDART_EXPORT cudaError_t cudaGraphHostNodeSetParams(cudaGraphNode_t node,
                                                     const cudaHostNodeParams* params) {
  return call(&Driver::GraphHostNodeSetParams, node, params);
}
CUDART_EXPORT cudaError_t cudaGraphExecHostNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node,
                                                         const cudaHostNodeParams* params) {
  return call(&Driver::GraphExecHostNodeSetParams, exec, node, params);
}

// --- graphs in graphs, joints, events
// -------------------------------------------------------------
CUDART_EXPORT cudaError_t cudaGraphAddChildGraphNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                                     const cudaGraphNode_t* dependencies,
                                                     size_t count, cudaGraph_t child) {
  return call(&Driver::GraphAddChildGraphNode, node, graph, dependencies, count, child);
}
CUDART_EXPORT cudaError_t cudaGraphChildGraphNodeGetGraph(cudaGraphNode_t node,
                                                          cudaGraph_t* graph) {
  return call(&Driver::GraphChildGraphNodeGetGraph, node, graph);
}
CUDART_EXPORT cudaError_t cudaGraphExecChildGraphNodeSetParams(cudaGraphExec_t exec,
                                                               cudaGraphNode_t node,
                                                               cudaGraph_t child) {
  return call(&Driver::GraphExecChildGraphNodeSetParams, exec, node, child);
}
CUDART_EXPORT cudaError_t cudaGraphAddEmptyNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                                const cudaGraphNode_t* dependencies, size_t count) {
  return call(&Driver::GraphAddEmptyNode, node, graph, dependencies, count);
}
CUDART_EXPORT cudaError_t cudaGraphAddEventRecordNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                                      const cudaGraphNode_t* dependencies,
                                                      size_t count, cudaEvent_t event) {
  return call(&Driver::GraphAddEventRecordNode, node, graph, dependencies, count, event);
}
CUDART_EXPORT cudaError_t cudaGraphEventRecordNodeGetEvent(cudaGraphNode_t node,
                                                           cudaEvent_t* event) {
  return call(&Driver::GraphEventRecordNodeGetEvent, node, event);
}
CUDART_EXPORT cudaError_t cudaGraphEventRecordNodeSetEvent(cudaGraphNode_t node,
                                                           cudaEvent_t event) {
  return call(&Driver::GraphEventRecordNodeSetEvent, node, event);
}
CUDART_EXPORT cudaError_t cudaGraphExecEventRecordNodeSetEvent(cudaGraphExec_t exec,
                                                               cudaGraphNode_t node,
                                                               cudaEvent_t event) {
  return call(&Driver::GraphExecEventRecordNodeSetEvent, exec, node, event);
}
CUDART_EXPORT cudaError_t cudaGraphAddEventWaitNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                                    const cudaGraphNode_t* dependencies,
                                                    size_t count, cudaEvent_t event) {
  return call(&Driver::GraphAddEventWaitNode, node, graph, dependencies, count, event);
}
CUDART_EXPORT cudaError_t cudaGraphEventWaitNodeGetEvent(cudaGraphNode_t node, cudaEvent_t* event) {
  return call(&Driver::GraphEventWaitNodeGetEvent, node, event);
}
CUDART_EXPORT cudaError_t cudaGraphEventWaitNodeSetEvent(cudaGraphNode_t node, cudaEvent_t event) {
  return call(&Driver::GraphEventWaitNodeSetEvent, node, event);
}
CUDART_EXPORT cudaError_t cudaGraphExecEventWaitNodeSetEvent(cudaGraphExec_t exec,
                                                             cudaGraphNode_t node,
                                                             cudaEvent_t event) {
  return call(&Driver::GraphExecEventWaitNodeSetEvent, exec, node, event);
}

// --- memory
// ---------------------------------------------------------------------------------------
static_assert(sizeof(cudaMemAllocNodeParams) == sizeof(CUDA_MEM_ALLOC_NODE_PARAMS_v1));
CUDART_EXPORT cudaError_t cudaGraphAddMemAllocNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                                   const cudaGraphNode_t* dependencies,
                                                   size_t count, cudaMemAllocNodeParams* params) {
  return call(&Driver::GraphAddMemAllocNode, node, graph, dependencies, count, params);
}
CUDART_EXPORT cudaError_t cudaGraphMemAllocNodeGetParams(cudaGraphNode_t node,
                                                         cudaMemAllocNodeParams* params) {
  return call(&Driver::GraphMemAllocNodeGetParams, node, params);
}
CUDART_EXPORT cudaError_t cudaGraphAddMemFreeNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                                  const cudaGraphNode_t* dependencies, size_t count,
                                                  void* address) {
  return call(&Driver::GraphAddMemFreeNode, node, graph, dependencies, count, address);
}
CUDART_EXPORT cudaError_t cudaGraphMemFreeNodeGetParams(cudaGraphNode_t node, void* address) {
  return call(&Driver::GraphMemFreeNodeGetParams, node, address);
}
