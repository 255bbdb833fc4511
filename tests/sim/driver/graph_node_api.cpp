// SPDX-License-Identifier: Apache-2.0
// Driver entry points that add graph nodes, and read or change their parameters.
#include "tests/sim/driver/device_node.h"
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/graph_condition.h"
#include "tests/sim/driver/graph_memory.h"
#include "tests/sim/driver/graph_params.h"

namespace sim {
namespace {

CUresult add(CUgraphNode* out, CUgraph handle, const CUgraphNode* before,
             const CUgraphEdgeData* data, size_t count, Context* context, Node what) {
  if (!out || (count && !before)) return CUDA_ERROR_INVALID_VALUE;
  const auto lock = Scheduler::get().lock();
  const auto graph = graphs().find(handle);
  if (!graph) return CUDA_ERROR_INVALID_VALUE;
  std::vector<GraphNode::Edge> edges;
  for (size_t i = 0; i < count; i++) {
    const auto earlier = graph_nodes().find(before[i]);
    if (!earlier || earlier->graph != graph.get()) return CUDA_ERROR_INVALID_VALUE;
    for (const auto& edge : edges) {
      if (edge.from == earlier.get()) return CUDA_ERROR_INVALID_VALUE;
    }
    edges.push_back({earlier.get(), data ? data[i] : CUgraphEdgeData{}});
  }
  if (auto* free = std::get_if<FreeNode>(&what)) {
    if (const CUresult status = make_free(free->memory->address(), *graph, free)) return status;
  }
  GraphNode* const node = graph->add(context, std::move(what), edges);
  for (const auto& inner : inner_graphs(node->what)) {
    inner->parent = node;
    publish(inner);
    node->body_handles.push_back(Handles<Graph, CUgraph>::handle(inner.get()));
  }
  if (auto* conditional = std::get_if<ConditionalNode>(&node->what)) {
    conditional->condition->used = true;
  }
  if (auto* alloc = std::get_if<AllocNode>(&node->what)) alloc->memory->owner = graph.get();
  *out = graph_nodes().insert(graph->nodes.back());
  return CUDA_SUCCESS;
}

CUresult child_of(CUgraph handle, CUgraphChildGraphNodeOwnership ownership, Node* out) {
  const auto lock = Scheduler::get().lock();
  const auto graph = graphs().find(handle);
  if (!graph) return CUDA_ERROR_INVALID_VALUE;
  if (ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE) {
    if (graph->parent) return CUDA_ERROR_INVALID_VALUE;
    *out = ChildNode{graph};
    return CUDA_SUCCESS;
  }
  if (uses_graph_memory(*graph)) return CUDA_ERROR_NOT_SUPPORTED;
  *out = ChildNode{clone(*graph)};
  return CUDA_SUCCESS;
}

CUresult find_free(CUdeviceptr address, Node* out) {
  const auto lock = Scheduler::get().lock();
  *out = FreeNode{find_graph_memory(address)};
  return std::get<FreeNode>(*out).memory ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult add_any(CUgraphNode* out, CUgraph graph, const CUgraphNode* before,
                 const CUgraphEdgeData* data, size_t count, CUgraphNodeParams* params) {
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  Node what;
  Context* context = nullptr;
  CUresult status = CUDA_SUCCESS;
  switch (params->type) {
    case CU_GRAPH_NODE_TYPE_GRAPH:
      status = child_of(params->graph.graph, params->graph.ownership, &what);
      break;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      status = make_conditional(&params->conditional, &context, &what.emplace<ConditionalNode>());
      break;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      static_assert(sizeof(CUDA_MEM_ALLOC_NODE_PARAMS) == sizeof params->alloc);
      status = read_alloc(reinterpret_cast<CUDA_MEM_ALLOC_NODE_PARAMS*>(&params->alloc),
                          &what.emplace<AllocNode>());
      break;
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      status = find_free(params->free.dptr, &what);
      break;
    default:
      status = read_params(*params, &context, &what);
      break;
  }
  if (status == CUDA_SUCCESS) {
    status = add(out, graph, before, data, count, context, std::move(what));
  }
  if (status == CUDA_SUCCESS && params->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) {
    const auto lock = Scheduler::get().lock();
    params->conditional.phGraph_out = graph_nodes().find(*out)->body_handles.data();
  }
  return status;
}

// The node's description of kind T, under the lock; null otherwise.
template <class T>
T* description(CUgraphNode handle, std::shared_ptr<GraphNode>* node) {
  *node = graph_nodes().find(handle);
  return *node ? std::get_if<T>(&(*node)->what) : nullptr;
}

template <class T, class Params>
CUresult set(CUgraphNode handle, const Params* params) {
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  T fresh;
  if (const CUresult status = read_params(*params, &fresh)) return status;
  const auto lock = Scheduler::get().lock();
  std::shared_ptr<GraphNode> node;
  T* const known = description<T>(handle, &node);
  if (!known) return CUDA_ERROR_INVALID_VALUE;
  *known = std::move(fresh);
  return CUDA_SUCCESS;
}

template <class T, class Give>
CUresult get(CUgraphNode handle, const void* out, Give&& give) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  const auto lock = Scheduler::get().lock();
  std::shared_ptr<GraphNode> node;
  T* const known = description<T>(handle, &node);
  if (!known) return CUDA_ERROR_INVALID_VALUE;
  give(*node, *known);
  return CUDA_SUCCESS;
}

template <class Params>
CUresult add_kernel(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count,
                    const Params* params, CUcontext context_handle) {
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  Context* context = nullptr;
  KernelNode node;
  if (const CUresult status = node_context(context_handle, &context)) return status;
  if (const CUresult status = read_params(*params, context, &node)) return status;
  return add(out, graph, before, nullptr, count, context, std::move(node));
}

template <class Params>
CUresult set_kernel(Context* context, CUgraphNode handle, const Params* params) {
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  KernelNode fresh;
  if (const CUresult status = read_params(*params, context, &fresh)) return status;
  const auto lock = Scheduler::get().lock();
  std::shared_ptr<GraphNode> node;
  KernelNode* const known = description<KernelNode>(handle, &node);
  if (!known) return CUDA_ERROR_INVALID_VALUE;
  fresh.cooperative = known->cooperative;
  fresh.attributes = known->attributes;
  fresh.device_node = known->device_node;
  *known = std::move(fresh);
  return CUDA_SUCCESS;
}

template <class T, class Params>
CUresult add_in_context(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count,
                        const Params* params, CUcontext context_handle) {
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  Context* context = nullptr;
  T node;
  if (const CUresult status = node_context(context_handle, &context)) return status;
  const CurrentScope scope(context);  // whose device the addresses are checked for
  if (const CUresult status = read_params(*params, &node)) return status;
  return add(out, graph, before, nullptr, count, context, std::move(node));
}

template <class T>
CUresult add_event(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count,
                   CUevent event, Context* context) {
  T node;
  if (const CUresult status = read_event(event, &node.event)) return status;
  return add(out, graph, before, nullptr, count, context, std::move(node));
}

template <class T>
CUresult set_event(CUgraphNode handle, CUevent event) {
  T fresh;
  if (const CUresult status = read_event(event, &fresh.event)) return status;
  return get<T>(handle, &fresh, [&](GraphNode&, T& known) { known = fresh; });
}

template <class T>
CUresult get_event(CUgraphNode handle, CUevent* out) {
  return get<T>(handle, out, [&](GraphNode&, T& known) {
    *out = Handles<Event, CUevent>::handle(known.event.get());
  });
}

}  // namespace

SIM_API cuGraphAddKernelNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before,
                             size_t count, const CUDA_KERNEL_NODE_PARAMS_v1* params) {
  SIM_ENTER_CONTEXT(cuGraphAddKernelNode, context);
  return add_kernel(out, graph, before, count, params, nullptr);
}

SIM_API cuGraphAddKernelNode_v2(CUgraphNode* out, CUgraph graph, const CUgraphNode* before,
                                size_t count, const CUDA_KERNEL_NODE_PARAMS* params) {
  SIM_ENTER_CONTEXT(cuGraphAddKernelNode_v2, context);
  return add_kernel(out, graph, before, count, params, params ? params->ctx : nullptr);
}

SIM_API cuGraphKernelNodeGetParams(CUgraphNode handle, CUDA_KERNEL_NODE_PARAMS_v1* out) {
  SIM_ENTER(cuGraphKernelNodeGetParams);
  return get<KernelNode>(handle, out,
                         [&](GraphNode& node, KernelNode&) { write_params(node, out); });
}

SIM_API cuGraphKernelNodeGetParams_v2(CUgraphNode handle, CUDA_KERNEL_NODE_PARAMS* out) {
  SIM_ENTER(cuGraphKernelNodeGetParams_v2);
  return get<KernelNode>(handle, out,
                         [&](GraphNode& node, KernelNode&) { write_params(node, out); });
}

SIM_API cuGraphKernelNodeSetParams(CUgraphNode handle, const CUDA_KERNEL_NODE_PARAMS_v1* params) {
  SIM_ENTER_CONTEXT(cuGraphKernelNodeSetParams, context);
  return set_kernel(context, handle, params);
}

SIM_API cuGraphKernelNodeSetParams_v2(CUgraphNode handle, const CUDA_KERNEL_NODE_PARAMS* params) {
  SIM_ENTER_CONTEXT(cuGraphKernelNodeSetParams_v2, context);
  return set_kernel(context, handle, params);
}

SIM_API cuGraphAddMemcpyNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before,
                             size_t count, const CUDA_MEMCPY3D* params, CUcontext copy_context) {
  SIM_ENTER_CONTEXT(cuGraphAddMemcpyNode, context);
  return add_in_context<CopyNode>(out, graph, before, count, params, copy_context);
}

SIM_API cuGraphMemcpyNodeGetParams(CUgraphNode handle, CUDA_MEMCPY3D* out) {
  SIM_ENTER(cuGraphMemcpyNodeGetParams);
  return get<CopyNode>(handle, out, [&](GraphNode&, CopyNode& node) { *out = node.asked; });
}

SIM_API cuGraphMemcpyNodeSetParams(CUgraphNode handle, const CUDA_MEMCPY3D* params) {
  SIM_ENTER(cuGraphMemcpyNodeSetParams);
  return set<CopyNode>(handle, params);
}

SIM_API cuGraphAddMemsetNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before,
                             size_t count, const CUDA_MEMSET_NODE_PARAMS* params,
                             CUcontext set_context) {
  SIM_ENTER_CONTEXT(cuGraphAddMemsetNode, context);
  return add_in_context<FillNode>(out, graph, before, count, params, set_context);
}

SIM_API cuGraphMemsetNodeGetParams(CUgraphNode handle, CUDA_MEMSET_NODE_PARAMS* out) {
  SIM_ENTER(cuGraphMemsetNodeGetParams);
  return get<FillNode>(handle, out, [&](GraphNode&, FillNode& node) { write_params(node, out); });
}

SIM_API cuGraphMemsetNodeSetParams(CUgraphNode handle, const CUDA_MEMSET_NODE_PARAMS* params) {
  SIM_ENTER(cuGraphMemsetNodeSetParams);
  return set<FillNode>(handle, params);
}

SIM_API cuGraphAddHostNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count,
                           const CUDA_HOST_NODE_PARAMS* params) {
  SIM_ENTER_CONTEXT(cuGraphAddHostNode, context);
  return add_in_context<HostNode>(out, graph, before, count, params, nullptr);
}

SIM_API cuGraphHostNodeGetParams(CUgraphNode handle, CUDA_HOST_NODE_PARAMS* out) {
  SIM_ENTER(cuGraphHostNodeGetParams);
  return get<HostNode>(handle, out, [&](GraphNode&, HostNode& node) {
    *out = {node.function, node.data};
  });
}

SIM_API cuGraphHostNodeSetParams(CUgraphNode handle, const CUDA_HOST_NODE_PARAMS* params) {
  SIM_ENTER(cuGraphHostNodeSetParams);
  return set<HostNode>(handle, params);
}

SIM_API cuGraphAddBatchMemOpNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before,
                                 size_t count, const CUDA_BATCH_MEM_OP_NODE_PARAMS* params) {
  SIM_ENTER_CONTEXT(cuGraphAddBatchMemOpNode, context);
  return add_in_context<MemOpNode>(out, graph, before, count, params,
                                   params ? params->ctx : nullptr);
}

SIM_API cuGraphBatchMemOpNodeGetParams(CUgraphNode handle, CUDA_BATCH_MEM_OP_NODE_PARAMS* out) {
  SIM_ENTER(cuGraphBatchMemOpNodeGetParams);
  return get<MemOpNode>(handle, out, [&](GraphNode& owner, MemOpNode& node) {
    *out = {sim::handle(owner.context), static_cast<unsigned>(node.operations.size()),
            node.operations.data(), 0};
  });
}

SIM_API cuGraphBatchMemOpNodeSetParams(CUgraphNode handle,
                                       const CUDA_BATCH_MEM_OP_NODE_PARAMS* params) {
  SIM_ENTER(cuGraphBatchMemOpNodeSetParams);
  return set<MemOpNode>(handle, params);
}

SIM_API cuGraphAddMemAllocNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before,
                               size_t count, CUDA_MEM_ALLOC_NODE_PARAMS* params) {
  SIM_ENTER_CONTEXT(cuGraphAddMemAllocNode, context);
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  AllocNode node;
  if (const CUresult status = read_alloc(params, &node)) return status;
  return add(out, graph, before, nullptr, count, context, std::move(node));
}

SIM_API cuGraphAddMemFreeNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before,
                              size_t count, CUdeviceptr address) {
  SIM_ENTER_CONTEXT(cuGraphAddMemFreeNode, context);
  Node node;
  if (const CUresult status = find_free(address, &node)) return status;
  return add(out, graph, before, nullptr, count, context, std::move(node));
}

SIM_API cuGraphAddEmptyNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before,
                            size_t count) {
  SIM_ENTER_CONTEXT(cuGraphAddEmptyNode, context);
  return add(out, graph, before, nullptr, count, context, EmptyNode{});
}

SIM_API cuGraphAddChildGraphNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before,
                                 size_t count, CUgraph child) {
  SIM_ENTER_CONTEXT(cuGraphAddChildGraphNode, context);
  Node node;
  if (const CUresult status = child_of(child, CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE, &node)) {
    return status;
  }
  return add(out, graph, before, nullptr, count, context, std::move(node));
}

SIM_API cuGraphChildGraphNodeGetGraph(CUgraphNode handle, CUgraph* out) {
  SIM_ENTER(cuGraphChildGraphNodeGetGraph);
  return get<ChildNode>(handle, out, [&](GraphNode&, ChildNode& node) {
    *out = Handles<Graph, CUgraph>::handle(node.graph.get());
  });
}

SIM_API cuGraphAddEventRecordNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before,
                                  size_t count, CUevent event) {
  SIM_ENTER_CONTEXT(cuGraphAddEventRecordNode, context);
  return add_event<RecordNode>(out, graph, before, count, event, context);
}

SIM_API cuGraphEventRecordNodeGetEvent(CUgraphNode handle, CUevent* out) {
  SIM_ENTER(cuGraphEventRecordNodeGetEvent);
  return get_event<RecordNode>(handle, out);
}

SIM_API cuGraphEventRecordNodeSetEvent(CUgraphNode handle, CUevent event) {
  SIM_ENTER(cuGraphEventRecordNodeSetEvent);
  return set_event<RecordNode>(handle, event);
}

SIM_API cuGraphAddEventWaitNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before,
                                size_t count, CUevent event) {
  SIM_ENTER_CONTEXT(cuGraphAddEventWaitNode, context);
  return add_event<WaitNode>(out, graph, before, count, event, context);
}

SIM_API cuGraphEventWaitNodeGetEvent(CUgraphNode handle, CUevent* out) {
  SIM_ENTER(cuGraphEventWaitNodeGetEvent);
  return get_event<WaitNode>(handle, out);
}

SIM_API cuGraphEventWaitNodeSetEvent(CUgraphNode handle, CUevent event) {
  SIM_ENTER(cuGraphEventWaitNodeSetEvent);
  return set_event<WaitNode>(handle, event);
}

SIM_API cuGraphAddNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count,
                       CUgraphNodeParams* params) {
  SIM_ENTER_CONTEXT(cuGraphAddNode, context);
  return add_any(out, graph, before, nullptr, count, params);
}

SIM_API cuGraphAddNode_v2(CUgraphNode* out, CUgraph graph, const CUgraphNode* before,
                          const CUgraphEdgeData* data, size_t count, CUgraphNodeParams* params) {
  SIM_ENTER_CONTEXT(cuGraphAddNode_v2, context);
  return add_any(out, graph, before, data, count, params);
}

SIM_API cuGraphNodeSetParams(CUgraphNode handle, CUgraphNodeParams* params) {
  SIM_ENTER_CONTEXT(cuGraphNodeSetParams, context);
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  Node fresh;
  Context* node_context = nullptr;
  if (const CUresult status = read_params(*params, &node_context, &fresh)) return status;
  const auto lock = Scheduler::get().lock();
  const auto node = graph_nodes().find(handle);
  if (!node || node->what.index() != fresh.index()) return CUDA_ERROR_INVALID_VALUE;
  node->what = std::move(fresh);
  node->context = node_context;
  return CUDA_SUCCESS;
}

SIM_API cuGraphNodeGetType(CUgraphNode handle, CUgraphNodeType* out) {
  SIM_ENTER(cuGraphNodeGetType);
  const auto lock = Scheduler::get().lock();
  const auto node = graph_nodes().find(handle);
  if (!node || !out) return CUDA_ERROR_INVALID_VALUE;
  *out = type_of(node->what);
  return CUDA_SUCCESS;
}

SIM_API cuGraphDestroyNode(CUgraphNode handle) {
  SIM_ENTER(cuGraphDestroyNode);
  const auto lock = Scheduler::get().lock();
  const auto node = graph_nodes().find(handle);
  if (!node) return CUDA_ERROR_INVALID_VALUE;
  if (uses_graph_memory(*node->graph)) return CUDA_ERROR_NOT_SUPPORTED;
  if (const auto* kernel = std::get_if<KernelNode>(&node->what); kernel && kernel->device_node) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  graph_nodes().erase(handle);
  for (const auto& inner : inner_graphs(node->what)) withdraw(*inner);
  for (const auto& other : node->graph->nodes) {
    std::erase_if(other->before, [&](const auto& edge) { return edge.from == node.get(); });
  }
  std::erase(node->graph->nodes, node);
  return CUDA_SUCCESS;
}

SIM_API cuGraphKernelNodeGetAttribute(CUgraphNode handle, CUkernelNodeAttrID id,
                                      CUkernelNodeAttrValue* out) {
  SIM_ENTER(cuGraphKernelNodeGetAttribute);
  return get<KernelNode>(handle, out, [&](GraphNode& node, KernelNode& kernel) {
    *out = node.attributes.count(id) ? node.attributes[id] : CUkernelNodeAttrValue{};
    if (id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE) out->cooperative = kernel.cooperative;
    if (id == CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE) {
      out->deviceUpdatableKernelNode.deviceUpdatable = kernel.device_node != nullptr;
      out->deviceUpdatableKernelNode.devNode =
          kernel.device_node ? kernel.device_node->handle() : nullptr;
    }
  });
}

SIM_API cuGraphKernelNodeSetAttribute(CUgraphNode handle, CUkernelNodeAttrID id,
                                      const CUkernelNodeAttrValue* value) {
  SIM_ENTER(cuGraphKernelNodeSetAttribute);
  if (value && id == CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE) {
    // Opted in for good.
    if (value->deviceUpdatableKernelNode.deviceUpdatable != 1) return CUDA_ERROR_INVALID_VALUE;
    return get<KernelNode>(handle, value, [](GraphNode&, KernelNode& kernel) {
      if (!kernel.device_node) kernel.device_node = DeviceNode::make();
    });
  }
  return get<KernelNode>(handle, value, [&](GraphNode& node, KernelNode& kernel) {
    node.attributes[id] = *value;
    if (id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE) kernel.cooperative = value->cooperative != 0;
  });
}

SIM_API cuGraphKernelNodeCopyAttributes(CUgraphNode to, CUgraphNode from) {
  SIM_ENTER(cuGraphKernelNodeCopyAttributes);
  const auto lock = Scheduler::get().lock();
  std::shared_ptr<GraphNode> target, source;
  KernelNode* const target_kernel = description<KernelNode>(to, &target);
  KernelNode* const source_kernel = description<KernelNode>(from, &source);
  if (!target_kernel || !source_kernel) return CUDA_ERROR_INVALID_VALUE;
  if (target_kernel->device_node || source_kernel->device_node) return CUDA_ERROR_INVALID_VALUE;
  target->attributes = source->attributes;
  target_kernel->cooperative = source_kernel->cooperative;
  return CUDA_SUCCESS;
}

}  // namespace sim
