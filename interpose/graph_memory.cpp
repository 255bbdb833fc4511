// SPDX-License-Identifier: Apache-2.0
#include "interpose/graph_memory.h"

#include "interpose/body.h"
#include "interpose/host_source.h"
#include "interpose/shaped.h"
#include "interpose/stream_memory.h"

namespace spillway {
namespace {

CUresult pin_all(Manager& manager, const AccessList& accesses) noexcept {
  for (const Access& access : accesses.span()) {
    const CUresult result = manager.pin(access.address, PinReason::Graph);
    if (result != CUDA_SUCCESS) return result;
  }
  return CUDA_SUCCESS;
}

template <class Params>
Access written_by(const Params& fill) noexcept {
  return access_of(
      fill.dst,
      Box{.width = fill.width * fill.elementSize, .height = fill.height, .pitch = fill.pitch});
}

CUresult hold(Manager& manager, Access access, AccessList& accesses) noexcept {
  accesses.add(access);
  return pin_all(manager, accesses);
}

CUresult hold_operations(Manager& manager, const CUstreamBatchMemOpParams* list, size_t count,
                         AccessList& accesses) noexcept {
  if (list == nullptr) return CUDA_SUCCESS;
  const CUresult result = read_memory_operations(manager, list, count, accesses);
  return result == CUDA_SUCCESS ? pin_all(manager, accesses) : result;
}

}  // namespace

CUresult hold_node_memory(Manager& manager, const CUDA_MEMCPY3D& params,
                          AccessList& accesses) noexcept {
  const Ends ends = ends_of(params);
  if (ends.from_host) scan_host(manager, reinterpret_cast<void*>(ends.from), ends.from_box);
  accesses.add(ends.read());
  return hold(manager, ends.written(), accesses);
}

CUresult hold_node_memory(Manager& manager, const CUDA_MEMSET_NODE_PARAMS& params,
                          AccessList& accesses) noexcept {
  return hold(manager, written_by(params), accesses);
}

CUresult hold_node_memory(Manager& manager, const CUDA_BATCH_MEM_OP_NODE_PARAMS& params,
                          AccessList& accesses) noexcept {
  return hold_operations(manager, params.paramArray, params.count, accesses);
}

CUresult hold_node_memory(Manager& manager, const CUgraphNodeParams& params,
                          AccessList& accesses) noexcept {
  switch (static_cast<int>(params.type)) {  // other types name no memory, or do not exist
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return hold_node_memory(manager, params.memcpy.copyParams, accesses);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return hold(manager, written_by(params.memset), accesses);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return hold_operations(manager, params.memOp.paramArray, params.memOp.count, accesses);
    default:
      return CUDA_SUCCESS;
  }
}

namespace {

template <class Params, class Submit>
CUresult held(Manager* manager, const Params* params, Submit&& submit) {
  AccessList accesses;
  if (params == nullptr) return submit();
  const CUresult result = hold_node_memory(*manager, *params, accesses);
  return result == CUDA_SUCCESS ? submit() : result;
}

}  // namespace
}  // namespace spillway

// Nodes of graphs that are still being built. Captured copies are pinned by the Manager, which
// knows what is captured.
BODY(cuGraphAddMemcpyNode,
     (CUgraphNode * out, CUgraph graph, const CUgraphNode* before, size_t count,
      const CUDA_MEMCPY3D* params, CUcontext context),
     (out, graph, before, count, params, context), spillway::held(manager, params, submit))
BODY(cuGraphAddMemsetNode,
     (CUgraphNode * out, CUgraph graph, const CUgraphNode* before, size_t count,
      const CUDA_MEMSET_NODE_PARAMS* params, CUcontext context),
     (out, graph, before, count, params, context), spillway::held(manager, params, submit))
BODY(cuGraphAddBatchMemOpNode,
     (CUgraphNode * out, CUgraph graph, const CUgraphNode* before, size_t count,
      const CUDA_BATCH_MEM_OP_NODE_PARAMS* params),
     (out, graph, before, count, params), spillway::held(manager, params, submit))
BODY(cuGraphAddNode,
     (CUgraphNode * out, CUgraph graph, const CUgraphNode* before, size_t count,
      CUgraphNodeParams* params),
     (out, graph, before, count, params), spillway::held(manager, params, submit))
BODY(cuGraphAddNode_v2,
     (CUgraphNode * out, CUgraph graph, const CUgraphNode* before, const CUgraphEdgeData* edges,
      size_t count, CUgraphNodeParams* params),
     (out, graph, before, edges, count, params), spillway::held(manager, params, submit))

BODY(cuGraphMemcpyNodeSetParams, (CUgraphNode node, const CUDA_MEMCPY3D* params), (node, params),
     spillway::held(manager, params, submit))
BODY(cuGraphMemsetNodeSetParams, (CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS* params),
     (node, params), spillway::held(manager, params, submit))
BODY(cuGraphBatchMemOpNodeSetParams,
     (CUgraphNode node, const CUDA_BATCH_MEM_OP_NODE_PARAMS* params), (node, params),
     spillway::held(manager, params, submit))
BODY(cuGraphNodeSetParams, (CUgraphNode node, CUgraphNodeParams* params), (node, params),
     spillway::held(manager, params, submit))
