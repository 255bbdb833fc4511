// SPDX-License-Identifier: Apache-2.0
// Executable graphs: what they name is read when they are made and after each change; a launch is
// one big use of it.
#include "interpose/body.h"
#include "interpose/graph_memory.h"

namespace {

using spillway::Manager;

// Failure leaves no executable to read.
template <class Submit>
CUresult instantiate(Manager* manager, CUgraphExec* out, CUgraph graph, Submit&& submit) {
  const auto and_read = [&]() noexcept {
    const CUresult result = submit();
    if (result == CUDA_SUCCESS && out != nullptr) manager->graph_instantiated(*out, graph);
    return result;
  };
  return graph != nullptr ? manager->hold_graph(graph, and_read) : submit();
}

template <class Submit>
CUresult read_again(Manager* manager, CUgraphExec exec, CUgraph graph, Submit&& submit) {
  const auto and_read = [&]() noexcept {
    const CUresult result = submit();
    if (result == CUDA_SUCCESS) manager->graph_instantiated(exec, graph);
    return result;
  };
  return graph != nullptr ? manager->hold_graph(graph, and_read) : submit();
}

template <class Submit>
CUresult destroy(Manager* manager, CUgraphExec exec, Submit&& submit) {
  manager->graph_exec_destroyed(exec);
  return submit();
}

// What a kernel node calls: parameter structures after the first have a second slot for a CUkernel.
template <class Params>
CUfunction function_of(const Params& params) {
  if constexpr (requires { params.kern; }) {
    if (params.func == nullptr) return reinterpret_cast<CUfunction>(params.kern);
  }
  return params.func;
}

template <class Params, class Submit>
CUresult set_kernel(Manager* manager, CUgraphExec exec, const Params* params, Submit&& submit) {
  const CUresult result = submit();
  if (result == CUDA_SUCCESS) {
    manager->graph_exec_kernel(exec, function_of(*params), params->kernelParams, params->extra);
  }
  return result;
}

template <class Params, class Submit>
CUresult set_memory(Manager* manager, CUgraphExec exec, const Params* params, Submit&& submit) {
  spillway::AccessList accesses;
  if (params != nullptr && !spillway::list_node_memory(*params, accesses)) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  return manager->hold(accesses.span(), [&]() noexcept {
    const CUresult result = submit();
    if (result != CUDA_SUCCESS || params == nullptr) return result;
    const spillway::Rewrite rewrite = spillway::node_rewrite(*params);
    manager->graph_exec_memory(exec, accesses.span(), {&rewrite, 1});
    return result;
  });
}

// A node that is being described: the driver looks at its operands' memory, no more.
template <class Params, class Submit>
CUresult describe_memory(Manager* manager, const Params* params, Submit&& submit) {
  spillway::AccessList accesses;
  if (params != nullptr && !spillway::list_node_memory(*params, accesses)) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  return manager->hold(accesses.span(), submit);
}

template <class Submit>
CUresult set_child(Manager* manager, CUgraphExec exec, CUgraph child, Submit&& submit) {
  const auto and_read = [&]() noexcept {
    const CUresult result = submit();
    if (result == CUDA_SUCCESS) manager->graph_exec_child(exec, child);
    return result;
  };
  return child != nullptr ? manager->hold_graph(child, and_read) : submit();
}

template <class Submit>
CUresult set_node(Manager* manager, CUgraphExec exec, const CUgraphNodeParams* params,
                  Submit&& submit) {
  if (params == nullptr) return submit();
  switch (static_cast<int>(params->type)) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return set_kernel(manager, exec, &params->kernel, submit);
    case CU_GRAPH_NODE_TYPE_GRAPH:
      return set_child(manager, exec, params->graph.graph, submit);
    default:
      return set_memory(manager, exec, params, submit);
  }
}

}  // namespace

BODY(cuGraphInstantiate,
     (CUgraphExec * out, CUgraph graph, CUgraphNode* node, char* log, size_t bytes),
     (out, graph, node, log, bytes), instantiate(manager, out, graph, submit))
BODY(cuGraphInstantiate_v2,
     (CUgraphExec * out, CUgraph graph, CUgraphNode* node, char* log, size_t bytes),
     (out, graph, node, log, bytes), instantiate(manager, out, graph, submit))
BODY(cuGraphInstantiateWithFlags, (CUgraphExec * out, CUgraph graph, unsigned long long flags),
     (out, graph, flags), instantiate(manager, out, graph, submit))
BODY_PTSZ(cuGraphInstantiateWithParams,
          (CUgraphExec * out, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS* params),
          (out, graph, params), instantiate(manager, out, graph, submit))

BODY(cuGraphExecUpdate,
     (CUgraphExec exec, CUgraph graph, CUgraphNode* node, CUgraphExecUpdateResult* update),
     (exec, graph, node, update), read_again(manager, exec, graph, submit))
BODY(cuGraphExecUpdate_v2, (CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo* update),
     (exec, graph, update), read_again(manager, exec, graph, submit))
BODY(cuGraphExecChildGraphNodeSetParams, (CUgraphExec exec, CUgraphNode node, CUgraph child),
     (exec, node, child), set_child(manager, exec, child, submit))

BODY(cuGraphExecKernelNodeSetParams,
     (CUgraphExec exec, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS_v1* params),
     (exec, node, params), set_kernel(manager, exec, params, submit))
BODY(cuGraphExecKernelNodeSetParams_v2,
     (CUgraphExec exec, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS* params),
     (exec, node, params), set_kernel(manager, exec, params, submit))

BODY(cuGraphExecMemcpyNodeSetParams,
     (CUgraphExec exec, CUgraphNode node, const CUDA_MEMCPY3D* params, CUcontext context),
     (exec, node, params, context), set_memory(manager, exec, params, submit))
BODY(cuGraphExecMemsetNodeSetParams,
     (CUgraphExec exec, CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS* params, CUcontext context),
     (exec, node, params, context), set_memory(manager, exec, params, submit))
BODY(cuGraphExecBatchMemOpNodeSetParams,
     (CUgraphExec exec, CUgraphNode node, const CUDA_BATCH_MEM_OP_NODE_PARAMS* params),
     (exec, node, params), set_memory(manager, exec, params, submit))
BODY(cuGraphExecNodeSetParams, (CUgraphExec exec, CUgraphNode node, CUgraphNodeParams* params),
     (exec, node, params), set_node(manager, exec, params, submit))

BODY(cuGraphAddMemcpyNode,
     (CUgraphNode * out, CUgraph graph, const CUgraphNode* after, size_t count,
      const CUDA_MEMCPY3D* params, CUcontext context),
     (out, graph, after, count, params, context), describe_memory(manager, params, submit))
BODY(cuGraphAddMemsetNode,
     (CUgraphNode * out, CUgraph graph, const CUgraphNode* after, size_t count,
      const CUDA_MEMSET_NODE_PARAMS* params, CUcontext context),
     (out, graph, after, count, params, context), describe_memory(manager, params, submit))
BODY(cuGraphAddNode,
     (CUgraphNode * out, CUgraph graph, const CUgraphNode* after, size_t count,
      CUgraphNodeParams* params),
     (out, graph, after, count, params), describe_memory(manager, params, submit))
BODY(cuGraphAddNode_v2,
     (CUgraphNode * out, CUgraph graph, const CUgraphNode* after, const CUgraphEdgeData* edges,
      size_t count, CUgraphNodeParams* params),
     (out, graph, after, edges, count, params), describe_memory(manager, params, submit))
BODY(cuGraphMemcpyNodeSetParams, (CUgraphNode node, const CUDA_MEMCPY3D* params), (node, params),
     describe_memory(manager, params, submit))
BODY(cuGraphMemsetNodeSetParams, (CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS* params),
     (node, params), describe_memory(manager, params, submit))
BODY(cuGraphNodeSetParams, (CUgraphNode node, CUgraphNodeParams* params), (node, params),
     describe_memory(manager, params, submit))

BODY(cuGraphExecDestroy, (CUgraphExec exec), (exec), destroy(manager, exec, submit))

BODY_PTSZ(cuGraphLaunch, (CUgraphExec exec, CUstream stream), (exec, stream),
          manager->graph_rewrite(exec, [&]() noexcept {
            return manager->graph_launch(exec, on(stream), submit);
          }))
