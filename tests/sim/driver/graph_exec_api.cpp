// SPDX-License-Identifier: Apache-2.0
// Driver entry points of executable graphs: instantiate, change, launch.
#include <algorithm>
#include <cstring>

#include "tests/sim/driver/capture.h"
#include "tests/sim/driver/device_node.h"
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/graph_condition.h"
#include "tests/sim/driver/graph_memory.h"
#include "tests/sim/driver/graph_params.h"
#include "tests/sim/driver/profile.h"

namespace sim {
namespace {

// The private copy's node for each of the original's, child graphs included.
void index(const Graph& copy, GraphExec* exec) {
  for (const auto& node : copy.nodes) {
    exec->by_origin[node->origin] = node.get();
    for (const auto& inner : inner_graphs(node->what)) index(*inner, exec);
    const auto* kernel = std::get_if<KernelNode>(&node->what);
    if (kernel && kernel->device_node) kernel->device_node->reset(*kernel);
  }
}

template <class Predicate>
bool any_node(const Graph& graph, Predicate&& predicate) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [&](const auto& node) { return predicate(*node); });
}

bool updatable_on_device(const Graph& graph) {
  return any_node(graph, [](const GraphNode& node) {
    const auto* kernel = std::get_if<KernelNode>(&node.what);
    const auto inner = inner_graphs(node.what);
    return (kernel && kernel->device_node) ||
           std::any_of(inner.begin(), inner.end(),
                       [](const auto& one) { return updatable_on_device(*one); });
  });
}

bool bad_bodies(const Graph& graph) {
  return any_node(graph, [](const GraphNode& node) {
    const auto* conditional = std::get_if<ConditionalNode>(&node.what);
    const auto inner = inner_graphs(node.what);
    return std::any_of(inner.begin(), inner.end(), [&](const auto& one) {
      return conditional ? !valid_body(*one, conditional->condition->context) : bad_bodies(*one);
    });
  });
}

bool instantiated(const Graph* graph) {
  return !graph_execs()
              .select([graph](const GraphExec& exec) { return exec.origin == graph; })
              .empty();
}

bool has_cycle(const Graph& graph) {
  if (!graph.nodes.empty() && graph.in_order().empty()) return true;
  return any_node(graph, [](const GraphNode& node) {
    const auto inner = inner_graphs(node.what);
    return std::any_of(inner.begin(), inner.end(), [](const auto& one) { return has_cycle(*one); });
  });
}

CUresult instantiate(Context* context, CUgraphExec* out, CUgraph handle, unsigned long long flags,
                     CUgraphInstantiateResult* result) {
  if (result) *result = CUDA_GRAPH_INSTANTIATE_ERROR;
  constexpr unsigned long long kKnown =
      CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD |
      CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;
  if (!out || (flags & ~kKnown)) return CUDA_ERROR_INVALID_VALUE;
  if (flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH) {
    if (result) *result = CUDA_GRAPH_INSTANTIATE_NODE_OPERATION_NOT_SUPPORTED;
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  const auto lock = Scheduler::get().lock();
  const auto graph = graphs().find(handle);
  if (!graph) return CUDA_ERROR_INVALID_VALUE;
  if (has_cycle(*graph)) {
    if (result) *result = CUDA_GRAPH_INSTANTIATE_INVALID_STRUCTURE;
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (bad_bodies(*graph)) {
    if (result) *result = CUDA_GRAPH_INSTANTIATE_INVALID_STRUCTURE;
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!conditions_used(graph.get())) {
    if (result) *result = CUDA_GRAPH_INSTANTIATE_CONDITIONAL_HANDLE_UNUSED;
    return CUDA_ERROR_INVALID_VALUE;
  }
  // Such graphs have one instance at a time.
  if ((uses_graph_memory(*graph) || updatable_on_device(*graph)) && instantiated(graph.get())) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  auto exec = std::make_shared<GraphExec>();
  exec->origin = graph.get();
  exec->context = context;
  exec->graph = clone(*graph);
  exec->flags = flags;
  index(*exec->graph, exec.get());
  *out = graph_execs().insert(std::move(exec));
  if (result) *result = CUDA_GRAPH_INSTANTIATE_SUCCESS;
  return CUDA_SUCCESS;
}

CUresult instantiate_logged(Context* context, CUgraphExec* out, CUgraph graph, CUgraphNode* error,
                            char* log, size_t log_bytes) {
  if (error) *error = nullptr;
  if (log && log_bytes) *log = '\0';
  CUgraphInstantiateResult result;
  const CUresult status = instantiate(context, out, graph, 0, &result);
  if (log && log_bytes && result == CUDA_GRAPH_INSTANTIATE_INVALID_STRUCTURE) {
    std::strncpy(log, "the graph has a cycle", log_bytes - 1);
    log[log_bytes - 1] = '\0';
  }
  return status;
}

// A change to one node of an executable graph is refused when it would need another copy engine, or
// has more than one dimension: what the hardware's node was built for.
bool replaceable(const Node& old, const Node& fresh) {
  if (old.index() != fresh.index()) return false;
  if (std::holds_alternative<ConditionalNode>(old) || std::holds_alternative<AllocNode>(old) ||
      std::holds_alternative<FreeNode>(old)) {
    return false;
  }
  if (const auto* a = std::get_if<CopyNode>(&old)) {
    const auto& b = std::get<CopyNode>(fresh);
    return a->engine == b.engine && a->height == 1 && a->depth == 1 && b.height == 1 &&
           b.depth == 1;
  }
  if (const auto* a = std::get_if<FillNode>(&old)) {
    return a->height == 1 && std::get<FillNode>(fresh).height == 1;
  }
  return true;
}

CUresult set(CUgraphExec exec_handle, CUgraphNode handle, Node fresh) {
  const auto lock = Scheduler::get().lock();
  const auto exec = graph_execs().find(exec_handle);
  const auto original = graph_nodes().find(handle);
  if (!exec || !original) return CUDA_ERROR_INVALID_VALUE;
  const auto own = exec->by_origin.find(original.get());
  if (own == exec->by_origin.end() || !replaceable(own->second->what, fresh)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (auto* kernel = std::get_if<KernelNode>(&fresh)) {
    const auto& old = std::get<KernelNode>(own->second->what);
    kernel->cooperative = old.cooperative;
    kernel->attributes = old.attributes;
    kernel->device_node = old.device_node;
    if (kernel->device_node) kernel->device_node->reset(*kernel);
  }
  own->second->what = std::move(fresh);
  return CUDA_SUCCESS;
}

template <class T, class Params>
CUresult set_params(CUgraphExec exec, CUgraphNode node, const Params* params) {
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  T fresh;
  if (const CUresult status = read_params(*params, &fresh)) return status;
  return set(exec, node, std::move(fresh));
}

template <class Params>
CUresult set_kernel(Context* context, CUgraphExec exec, CUgraphNode node, const Params* params) {
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  KernelNode fresh;
  if (const CUresult status = read_params(*params, context, &fresh)) return status;
  return set(exec, node, std::move(fresh));
}

template <class T>
CUresult set_event(CUgraphExec exec, CUgraphNode node, CUevent event) {
  T fresh;
  if (const CUresult status = read_event(event, &fresh.event)) return status;
  return set(exec, node, std::move(fresh));
}

CUgraphNode handle_of(const GraphNode* node) {
  return Handles<GraphNode, CUgraphNode>::handle(node);
}

// Whether `fresh` has the shape of `own`, pairing nodes by order of creation.
CUgraphExecUpdateResultInfo compare(const Graph& own, const Graph& fresh) {
  if (own.nodes.size() != fresh.nodes.size()) {
    return {CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, nullptr, nullptr};
  }
  std::unordered_map<const GraphNode*, const GraphNode*> twin;
  for (size_t i = 0; i < own.nodes.size(); i++) twin[fresh.nodes[i].get()] = own.nodes[i].get();
  for (size_t i = 0; i < own.nodes.size(); i++) {
    const GraphNode& a = *own.nodes[i];
    const GraphNode& b = *fresh.nodes[i];
    const CUgraphNode node = handle_of(&b);
    if (a.what.index() != b.what.index()) {
      return {CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED, node, nullptr};
    }
    for (const auto& edge : b.before) {
      if (!a.depends_on(twin[edge.from])) {
        return {CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, node, handle_of(edge.from)};
      }
    }
    if (a.before.size() != b.before.size()) {
      return {CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, node, nullptr};
    }
    const auto own_inner = inner_graphs(a.what), fresh_inner = inner_graphs(b.what);
    if (own_inner.size() != fresh_inner.size()) {
      return {CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED, node, nullptr};
    }
    for (size_t k = 0; k < own_inner.size(); k++) {
      const auto inner = compare(*own_inner[k], *fresh_inner[k]);
      if (inner.result != CU_GRAPH_EXEC_UPDATE_SUCCESS) return inner;
    }
    if (const auto* conditional = std::get_if<ConditionalNode>(&a.what)) {
      const auto& other = std::get<ConditionalNode>(b.what);
      if (conditional->condition != other.condition || conditional->type != other.type) {
        return {CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED, node, nullptr};
      }
    } else if (const auto* copy = std::get_if<CopyNode>(&a.what);
               copy && copy->engine != std::get<CopyNode>(b.what).engine) {
      return {CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED, node, nullptr};
    }
  }
  return {CU_GRAPH_EXEC_UPDATE_SUCCESS, nullptr, nullptr};
}

void take_over(Graph& own, const Graph& fresh) {
  for (size_t i = 0; i < own.nodes.size(); i++) {
    const auto inner = inner_graphs(own.nodes[i]->what);
    const auto fresh_inner = inner_graphs(fresh.nodes[i]->what);
    for (size_t k = 0; k < inner.size(); k++) take_over(*inner[k], *fresh_inner[k]);
    if (inner.empty()) {
      own.nodes[i]->what = fresh.nodes[i]->what;
      own.nodes[i]->attributes = fresh.nodes[i]->attributes;
    }
  }
}

CUresult update(CUgraphExec exec_handle, CUgraph handle, CUgraphExecUpdateResultInfo* out) {
  *out = {CU_GRAPH_EXEC_UPDATE_ERROR, nullptr, nullptr};
  const auto lock = Scheduler::get().lock();
  const auto exec = graph_execs().find(exec_handle);
  const auto graph = graphs().find(handle);
  if (!exec || !graph) return CUDA_ERROR_INVALID_VALUE;
  if (updatable_on_device(*exec->graph) || updatable_on_device(*graph)) {
    out->result = CU_GRAPH_EXEC_UPDATE_ERROR_ATTRIBUTES_CHANGED;
    return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  }
  *out = compare(*exec->graph, *graph);
  if (out->result != CU_GRAPH_EXEC_UPDATE_SUCCESS) return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  take_over(*exec->graph, *graph);
  return CUDA_SUCCESS;
}

CUresult set_child(CUgraphExec exec_handle, CUgraphNode handle, CUgraph child_handle) {
  const auto lock = Scheduler::get().lock();
  const auto exec = graph_execs().find(exec_handle);
  const auto original = graph_nodes().find(handle);
  const auto graph = graphs().find(child_handle);
  if (!exec || !original || !graph) return CUDA_ERROR_INVALID_VALUE;
  const auto own = exec->by_origin.find(original.get());
  if (own == exec->by_origin.end()) return CUDA_ERROR_INVALID_VALUE;
  const auto* child = std::get_if<ChildNode>(&own->second->what);
  if (!child || compare(*child->graph, *graph).result != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  take_over(*child->graph, *graph);
  return CUDA_SUCCESS;
}

size_t count_nodes(const Graph& graph) {
  size_t count = 0;
  for (const auto& node : graph.nodes) {
    const auto inner = inner_graphs(node->what);
    count += std::holds_alternative<ChildNode>(node->what) ? 0 : 1;
    for (const auto& one : inner) count += count_nodes(*one);
  }
  return count;
}

CUresult launch(CUgraphExec handle, CUstream stream_handle, bool per_thread) {
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(stream_handle, per_thread, &stream)) return status;
  auto lock = Scheduler::get().lock();
  const auto exec = graph_execs().find(handle);
  if (!exec) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult status = capture_gate(*stream)) return status;
  const Profile& p = profile();
  host_cost_ns(p.graph_launch_ns +
               p.graph_launch_node_ns * static_cast<double>(count_nodes(*exec->graph)));
  if (stream->capture) {
    // A launch inside a capture becomes a child graph.
    if (uses_graph_memory(*exec->graph)) return CUDA_ERROR_NOT_SUPPORTED;
    const std::shared_ptr<Graph> copy = clone(*exec->graph);
    publish(copy);
    if (const CUresult status = capture_node(*stream, ChildNode{copy})) return status;
    copy->parent = stream->capture_after.front();
    return CUDA_SUCCESS;
  }
  make_room(lock, *stream);  // now: nothing may come between the nodes and what follows them
  std::vector<Point> start = order(*stream);
  if (exec->last.stamp) start.push_back(exec->last);
  std::vector<Work> before;
  if (const CUresult status = launch_graph_memory(*exec, &before)) return status;
  if (Work defaults = defaults_work(*exec->graph); defaults.run) {
    before.push_back(std::move(defaults));
  }
  for (Work& work : before) {
    start = {Scheduler::get().submit(stream->context, stream->context->device, nullptr,
                                     std::move(work), start)};
  }
  const std::vector<Point> ends = run_graph(lock, *exec, *exec->graph, start);
  if (const CUresult status = append(lock, *stream, Work{}, ends)) return status;
  exec->last = stream->tail;
  return CUDA_SUCCESS;
}

}  // namespace

SIM_API cuGraphInstantiate(CUgraphExec* out, CUgraph graph, CUgraphNode* error, char* log,
                           size_t log_bytes) {
  SIM_ENTER_CONTEXT(cuGraphInstantiate, context);
  return instantiate_logged(context, out, graph, error, log, log_bytes);
}

SIM_API cuGraphInstantiate_v2(CUgraphExec* out, CUgraph graph, CUgraphNode* error, char* log,
                              size_t log_bytes) {
  SIM_ENTER_CONTEXT(cuGraphInstantiate_v2, context);
  return instantiate_logged(context, out, graph, error, log, log_bytes);
}

SIM_API cuGraphInstantiateWithFlags(CUgraphExec* out, CUgraph graph, unsigned long long flags) {
  SIM_ENTER_CONTEXT(cuGraphInstantiateWithFlags, context);
  // Uploading needs a stream, which only the form with parameters has.
  if (flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) return CUDA_ERROR_INVALID_VALUE;
  return instantiate(context, out, graph, flags, nullptr);
}

SIM_TWIN(cuGraphInstantiateWithParams, _ptsz,
         (CUgraphExec * out, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS* params),
         (out, graph, params)) {
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  params->hErrNode_out = nullptr;
  if (params->flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) {
    Stream* stream = nullptr;
    if (const CUresult status = find_stream(params->hUploadStream, per_thread, &stream)) {
      return status;
    }
  }
  return instantiate(context, out, graph, params->flags, &params->result_out);
}

SIM_API cuGraphExecGetFlags(CUgraphExec handle, cuuint64_t* out) {
  SIM_ENTER(cuGraphExecGetFlags);
  const auto lock = Scheduler::get().lock();
  const auto exec = graph_execs().find(handle);
  if (!exec || !out) return CUDA_ERROR_INVALID_VALUE;
  *out = exec->flags;
  return CUDA_SUCCESS;
}

SIM_TWIN(cuGraphUpload, _ptsz, (CUgraphExec handle, CUstream stream_handle),
         (handle, stream_handle)) {
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(stream_handle, per_thread, &stream)) return status;
  auto lock = Scheduler::get().lock();
  if (!graph_execs().find(handle)) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult status = capture_gate(*stream)) return status;
  if (const CUresult status = refuse_capturing(*stream)) return status;
  return append(lock, *stream, Work{});
}

SIM_TWIN(cuGraphLaunch, _ptsz, (CUgraphExec exec, CUstream stream), (exec, stream)) {
  return launch(exec, stream, per_thread);
}

// What runs keeps its own copy of everything.
SIM_API cuGraphExecDestroy(CUgraphExec handle) {
  SIM_ENTER(cuGraphExecDestroy);
  const auto lock = Scheduler::get().lock();
  const auto exec = graph_execs().erase(handle);
  if (!exec) return CUDA_ERROR_INVALID_VALUE;
  drop_graph_memory(*exec->graph);
  return CUDA_SUCCESS;
}

SIM_API cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphNode* error,
                          CUgraphExecUpdateResult* result) {
  SIM_ENTER(cuGraphExecUpdate);
  CUgraphExecUpdateResultInfo info;
  const CUresult status = update(exec, graph, &info);
  if (error) *error = info.errorNode;
  if (result) *result = info.result;
  return status;
}

SIM_API cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo* info) {
  SIM_ENTER(cuGraphExecUpdate_v2);
  return info ? update(exec, graph, info) : CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuGraphExecKernelNodeSetParams(CUgraphExec exec, CUgraphNode node,
                                       const CUDA_KERNEL_NODE_PARAMS_v1* params) {
  SIM_ENTER_CONTEXT(cuGraphExecKernelNodeSetParams, context);
  return set_kernel(context, exec, node, params);
}

SIM_API cuGraphExecKernelNodeSetParams_v2(CUgraphExec exec, CUgraphNode node,
                                          const CUDA_KERNEL_NODE_PARAMS* params) {
  SIM_ENTER_CONTEXT(cuGraphExecKernelNodeSetParams_v2, context);
  return set_kernel(context, exec, node, params);
}

SIM_API cuGraphExecMemcpyNodeSetParams(CUgraphExec exec, CUgraphNode node,
                                       const CUDA_MEMCPY3D* params, CUcontext) {
  SIM_ENTER(cuGraphExecMemcpyNodeSetParams);
  return set_params<CopyNode>(exec, node, params);
}

SIM_API cuGraphExecMemsetNodeSetParams(CUgraphExec exec, CUgraphNode node,
                                       const CUDA_MEMSET_NODE_PARAMS* params, CUcontext) {
  SIM_ENTER(cuGraphExecMemsetNodeSetParams);
  return set_params<FillNode>(exec, node, params);
}

SIM_API cuGraphExecHostNodeSetParams(CUgraphExec exec, CUgraphNode node,
                                     const CUDA_HOST_NODE_PARAMS* params) {
  SIM_ENTER(cuGraphExecHostNodeSetParams);
  return set_params<HostNode>(exec, node, params);
}

SIM_API cuGraphExecBatchMemOpNodeSetParams(CUgraphExec exec, CUgraphNode node,
                                           const CUDA_BATCH_MEM_OP_NODE_PARAMS* params) {
  SIM_ENTER(cuGraphExecBatchMemOpNodeSetParams);
  return set_params<MemOpNode>(exec, node, params);
}

SIM_API cuGraphExecChildGraphNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraph child) {
  SIM_ENTER(cuGraphExecChildGraphNodeSetParams);
  return set_child(exec, node, child);
}

SIM_API cuGraphExecEventRecordNodeSetEvent(CUgraphExec exec, CUgraphNode node, CUevent event) {
  SIM_ENTER(cuGraphExecEventRecordNodeSetEvent);
  return set_event<RecordNode>(exec, node, event);
}

SIM_API cuGraphExecEventWaitNodeSetEvent(CUgraphExec exec, CUgraphNode node, CUevent event) {
  SIM_ENTER(cuGraphExecEventWaitNodeSetEvent);
  return set_event<WaitNode>(exec, node, event);
}

SIM_API cuGraphExecNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraphNodeParams* params) {
  SIM_ENTER_CONTEXT(cuGraphExecNodeSetParams, context);
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) return set_child(exec, node, params->graph.graph);
  Node fresh;
  Context* node_context = nullptr;
  if (const CUresult status = read_params(*params, &node_context, &fresh)) return status;
  return set(exec, node, std::move(fresh));
}

static CUresult enabled(CUgraphExec exec_handle, CUgraphNode handle, const unsigned* set_to,
                        unsigned* out) {
  const auto lock = Scheduler::get().lock();
  const auto exec = graph_execs().find(exec_handle);
  const auto original = graph_nodes().find(handle);
  if (!exec || !original) return CUDA_ERROR_INVALID_VALUE;
  const auto own = exec->by_origin.find(original.get());
  if (own == exec->by_origin.end()) return CUDA_ERROR_INVALID_VALUE;
  const Node& what = own->second->what;
  if (!std::holds_alternative<KernelNode>(what) && !std::holds_alternative<CopyNode>(what) &&
      !std::holds_alternative<FillNode>(what)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (out) *out = exec->disabled.count(own->second) ? 0 : 1;
  if (set_to && *set_to) exec->disabled.erase(own->second);
  if (set_to && !*set_to) exec->disabled.insert(own->second);
  return CUDA_SUCCESS;
}

SIM_API cuGraphNodeSetEnabled(CUgraphExec exec, CUgraphNode node, unsigned value) {
  SIM_ENTER(cuGraphNodeSetEnabled);
  return enabled(exec, node, &value, nullptr);
}

SIM_API cuGraphNodeGetEnabled(CUgraphExec exec, CUgraphNode node, unsigned* out) {
  SIM_ENTER(cuGraphNodeGetEnabled);
  return out ? enabled(exec, node, nullptr, out) : CUDA_ERROR_INVALID_VALUE;
}

}  // namespace sim
