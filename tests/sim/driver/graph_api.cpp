// SPDX-License-Identifier: Apache-2.0
// Driver entry points of graphs as a whole, of their edges and of user objects.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/graph.h"
#include "tests/sim/driver/graph_condition.h"
#include "tests/sim/driver/graph_memory.h"

namespace sim {

struct UserObject {
  void* pointer = nullptr;
  CUhostFn destroy = nullptr;
  unsigned references = 0;
};

namespace {

Handles<UserObject, CUuserObject>& user_objects() {
  static auto* const table = new Handles<UserObject, CUuserObject>;
  return *table;
}

CUgraphNode handle_of(const GraphNode* node) {
  return Handles<GraphNode, CUgraphNode>::handle(node);
}

bool is_default(const CUgraphEdgeData& data) {
  return !data.from_port && !data.to_port && data.type == CU_GRAPH_DEPENDENCY_TYPE_DEFAULT;
}

// The two-call protocol: without an array the count; else as many as fit, the rest nulled.
CUresult give(const std::vector<GraphNode*>& nodes, CUgraphNode* out, size_t* count) {
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  if (out) {
    for (size_t i = 0; i < *count; i++) out[i] = i < nodes.size() ? handle_of(nodes[i]) : nullptr;
    *count = std::min(*count, nodes.size());
  } else {
    *count = nodes.size();
  }
  return CUDA_SUCCESS;
}

struct FullEdge {
  GraphNode* from;
  GraphNode* to;
  CUgraphEdgeData data;
};

// lossy: the caller's ABI has no place for edge data.
CUresult give_data(const std::vector<FullEdge>& edges, CUgraphEdgeData* out, size_t capacity,
                   bool wanted) {
  if (!wanted) return CUDA_SUCCESS;
  for (size_t i = 0; i < edges.size(); i++) {
    if (!out && !is_default(edges[i].data)) return CUDA_ERROR_LOSSY_QUERY;
    if (out && i < capacity) out[i] = edges[i].data;
  }
  return CUDA_SUCCESS;
}

std::vector<FullEdge> edges_of(const Graph& graph) {
  std::vector<FullEdge> edges;
  for (const auto& node : graph.nodes) {
    for (const auto& edge : node->before) edges.push_back({edge.from, node.get(), edge.data});
  }
  return edges;
}

CUresult get_edges(CUgraph handle, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* data,
                   size_t* count) {
  const auto lock = Scheduler::get().lock();
  const auto graph = graphs().find(handle);
  if (!graph || !count || !from != !to) return CUDA_ERROR_INVALID_VALUE;
  const std::vector<FullEdge> edges = edges_of(*graph);
  if (const CUresult status = give_data(edges, data, *count, from != nullptr)) return status;
  std::vector<GraphNode*> froms, tos;
  for (const FullEdge& edge : edges) {
    froms.push_back(edge.from);
    tos.push_back(edge.to);
  }
  size_t same = *count;
  if (const CUresult status = give(froms, from, &same)) return status;
  return give(tos, to, count);
}

enum class Side { Dependencies, Dependents };

CUresult get_neighbours(Side side, CUgraphNode handle, CUgraphNode* out, CUgraphEdgeData* data,
                        size_t* count) {
  const auto lock = Scheduler::get().lock();
  const auto node = graph_nodes().find(handle);
  if (!node || !count) return CUDA_ERROR_INVALID_VALUE;
  std::vector<FullEdge> edges = edges_of(*node->graph);
  std::erase_if(edges, [&](const FullEdge& edge) {
    return (side == Side::Dependencies ? edge.to : edge.from) != node.get();
  });
  if (const CUresult status = give_data(edges, data, *count, out != nullptr)) return status;
  std::vector<GraphNode*> others;
  for (const FullEdge& edge : edges) {
    others.push_back(side == Side::Dependencies ? edge.from : edge.to);
  }
  return give(others, out, count);
}

enum class Change { Add, Remove };

CUresult change_edges(Change change, CUgraph handle, const CUgraphNode* from, const CUgraphNode* to,
                      const CUgraphEdgeData* data, size_t count) {
  const auto lock = Scheduler::get().lock();
  const auto graph = graphs().find(handle);
  if (!graph || (count && (!from || !to))) return CUDA_ERROR_INVALID_VALUE;
  if (change == Change::Remove && uses_graph_memory(*graph)) return CUDA_ERROR_NOT_SUPPORTED;
  // Checked as a whole before anything changes.
  std::vector<FullEdge> edges;
  for (size_t i = 0; i < count; i++) {
    const auto first = graph_nodes().find(from[i]);
    const auto second = graph_nodes().find(to[i]);
    if (!first || !second || first == second || first->graph != graph.get() ||
        second->graph != graph.get() ||
        second->depends_on(first.get()) != (change == Change::Remove)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    const bool twice = std::any_of(edges.begin(), edges.end(), [&](const FullEdge& edge) {
      return edge.from == first.get() && edge.to == second.get();
    });
    if (twice) return CUDA_ERROR_INVALID_VALUE;
    edges.push_back({first.get(), second.get(), data ? data[i] : CUgraphEdgeData{}});
  }
  for (const FullEdge& edge : edges) {
    if (change == Change::Add) {
      edge.to->before.push_back({edge.from, edge.data});
    } else {
      std::erase_if(edge.to->before, [&](const auto& own) { return own.from == edge.from; });
    }
  }
  return CUDA_SUCCESS;
}

const char* type_name(const Node& node) {
  constexpr const char* kNames[] = {"kernel", "memcpy",      "memset",       "host",
                                    "empty",  "graph",       "event record", "event wait",
                                    "mem op", "conditional", "mem alloc",    "mem free"};
  static_assert(std::size(kNames) == std::variant_size_v<Node>);
  return kNames[node.index()];
}

void print(std::FILE* file, const Graph& graph) {
  for (const auto& node : graph.nodes) {
    const auto* kernel = std::get_if<KernelNode>(&node->what);
    fmt::print(file, "  \"{}\" [label=\"{}{}{}\"];\n", fmt::ptr(node.get()), type_name(node->what),
               kernel ? " " : "", kernel ? kernel->kernel.info().name : "");
    for (const auto& edge : node->before) {
      fmt::print(file, "  \"{}\" -> \"{}\";\n", fmt::ptr(edge.from), fmt::ptr(node.get()));
    }
    for (const auto& inner : inner_graphs(node->what)) print(file, *inner);
  }
}

}  // namespace

void retain(UserObject* object, unsigned count) {
  object->references += count;
}

void release(UserObject* object, unsigned count) {
  object->references -= count;
  if (object->references) return;
  const auto keep = user_objects().erase(Handles<UserObject, CUuserObject>::handle(object));
  object->destroy(object->pointer);
}

SIM_API cuGraphCreate(CUgraph* out, unsigned flags) {
  SIM_ENTER(cuGraphCreate);
  if (!out || flags) return CUDA_ERROR_INVALID_VALUE;
  const auto lock = Scheduler::get().lock();
  *out = graphs().insert(std::make_shared<Graph>());
  return CUDA_SUCCESS;
}

SIM_API cuGraphDestroy(CUgraph handle) {
  SIM_ENTER(cuGraphDestroy);
  const auto lock = Scheduler::get().lock();
  const auto graph = graphs().find(handle);
  if (!graph || graph->parent) return CUDA_ERROR_INVALID_VALUE;
  withdraw(*graph);
  drop_graph_memory(*graph);
  drop_conditions(graph.get());
  // The handle table keeps the dead object for a while; its user objects are let go of now.
  for (const auto& [object, count] : std::exchange(graph->user_objects, {})) release(object, count);
  return CUDA_SUCCESS;
}

SIM_API cuGraphClone(CUgraph* out, CUgraph handle) {
  SIM_ENTER(cuGraphClone);
  const auto lock = Scheduler::get().lock();
  const auto graph = graphs().find(handle);
  if (!graph || !out) return CUDA_ERROR_INVALID_VALUE;
  if (uses_graph_memory(*graph)) return CUDA_ERROR_NOT_SUPPORTED;
  const auto copy = clone(*graph);
  publish(copy);
  *out = Handles<Graph, CUgraph>::handle(copy.get());
  return CUDA_SUCCESS;
}

SIM_API cuGraphNodeFindInClone(CUgraphNode* out, CUgraphNode original, CUgraph handle) {
  SIM_ENTER(cuGraphNodeFindInClone);
  const auto lock = Scheduler::get().lock();
  const auto graph = graphs().find(handle);
  const auto node = graph_nodes().find(original);
  if (!graph || !node || !out) return CUDA_ERROR_INVALID_VALUE;
  for (const auto& candidate : graph->nodes) {
    if (candidate->origin != node.get()) continue;
    *out = handle_of(candidate.get());
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuGraphGetNodes(CUgraph handle, CUgraphNode* out, size_t* count) {
  SIM_ENTER(cuGraphGetNodes);
  const auto lock = Scheduler::get().lock();
  const auto graph = graphs().find(handle);
  if (!graph) return CUDA_ERROR_INVALID_VALUE;
  std::vector<GraphNode*> nodes;
  for (const auto& node : graph->nodes) nodes.push_back(node.get());
  return give(nodes, out, count);
}

SIM_API cuGraphGetRootNodes(CUgraph handle, CUgraphNode* out, size_t* count) {
  SIM_ENTER(cuGraphGetRootNodes);
  const auto lock = Scheduler::get().lock();
  const auto graph = graphs().find(handle);
  if (!graph) return CUDA_ERROR_INVALID_VALUE;
  std::vector<GraphNode*> nodes;
  for (const auto& node : graph->nodes) {
    if (node->before.empty()) nodes.push_back(node.get());
  }
  return give(nodes, out, count);
}

SIM_API cuGraphGetEdges(CUgraph graph, CUgraphNode* from, CUgraphNode* to, size_t* count) {
  SIM_ENTER(cuGraphGetEdges);
  return get_edges(graph, from, to, nullptr, count);
}

SIM_API cuGraphGetEdges_v2(CUgraph graph, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* data,
                           size_t* count) {
  SIM_ENTER(cuGraphGetEdges_v2);
  return get_edges(graph, from, to, data, count);
}

SIM_API cuGraphNodeGetDependencies(CUgraphNode node, CUgraphNode* out, size_t* count) {
  SIM_ENTER(cuGraphNodeGetDependencies);
  return get_neighbours(Side::Dependencies, node, out, nullptr, count);
}

SIM_API cuGraphNodeGetDependencies_v2(CUgraphNode node, CUgraphNode* out, CUgraphEdgeData* data,
                                      size_t* count) {
  SIM_ENTER(cuGraphNodeGetDependencies_v2);
  return get_neighbours(Side::Dependencies, node, out, data, count);
}

SIM_API cuGraphNodeGetDependentNodes(CUgraphNode node, CUgraphNode* out, size_t* count) {
  SIM_ENTER(cuGraphNodeGetDependentNodes);
  return get_neighbours(Side::Dependents, node, out, nullptr, count);
}

SIM_API cuGraphNodeGetDependentNodes_v2(CUgraphNode node, CUgraphNode* out, CUgraphEdgeData* data,
                                        size_t* count) {
  SIM_ENTER(cuGraphNodeGetDependentNodes_v2);
  return get_neighbours(Side::Dependents, node, out, data, count);
}

SIM_API cuGraphAddDependencies(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to,
                               size_t count) {
  SIM_ENTER(cuGraphAddDependencies);
  return change_edges(Change::Add, graph, from, to, nullptr, count);
}

SIM_API cuGraphAddDependencies_v2(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to,
                                  const CUgraphEdgeData* data, size_t count) {
  SIM_ENTER(cuGraphAddDependencies_v2);
  return change_edges(Change::Add, graph, from, to, data, count);
}

SIM_API cuGraphRemoveDependencies(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to,
                                  size_t count) {
  SIM_ENTER(cuGraphRemoveDependencies);
  return change_edges(Change::Remove, graph, from, to, nullptr, count);
}

SIM_API cuGraphRemoveDependencies_v2(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to,
                                     const CUgraphEdgeData* data, size_t count) {
  SIM_ENTER(cuGraphRemoveDependencies_v2);
  return change_edges(Change::Remove, graph, from, to, data, count);
}

SIM_API cuGraphDebugDotPrint(CUgraph handle, const char* path, unsigned) {
  SIM_ENTER(cuGraphDebugDotPrint);
  const auto lock = Scheduler::get().lock();
  const auto graph = graphs().find(handle);
  if (!graph || !path) return CUDA_ERROR_INVALID_VALUE;
  std::FILE* const file = std::fopen(path, "w");
  if (!file) return CUDA_ERROR_OPERATING_SYSTEM;
  fmt::print(file, "digraph graph_{} {{\n", fmt::ptr(graph.get()));
  print(file, *graph);
  fmt::print(file, "}}\n");
  return std::fclose(file) ? CUDA_ERROR_OPERATING_SYSTEM : CUDA_SUCCESS;
}

SIM_API cuUserObjectCreate(CUuserObject* out, void* pointer, CUhostFn destroy, unsigned references,
                           unsigned flags) {
  SIM_ENTER(cuUserObjectCreate);
  if (!out || !destroy || !references || flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto lock = Scheduler::get().lock();
  *out =
      user_objects().insert(std::make_shared<UserObject>(UserObject{pointer, destroy, references}));
  return CUDA_SUCCESS;
}

SIM_API cuUserObjectRetain(CUuserObject handle, unsigned count) {
  SIM_ENTER(cuUserObjectRetain);
  const auto lock = Scheduler::get().lock();
  const auto object = user_objects().find(handle);
  if (!object || !count) return CUDA_ERROR_INVALID_VALUE;
  retain(object.get(), count);
  return CUDA_SUCCESS;
}

SIM_API cuUserObjectRelease(CUuserObject handle, unsigned count) {
  SIM_ENTER(cuUserObjectRelease);
  const auto lock = Scheduler::get().lock();
  const auto object = user_objects().find(handle);
  if (!object || !count || count > object->references) return CUDA_ERROR_INVALID_VALUE;
  release(object.get(), count);
  return CUDA_SUCCESS;
}

SIM_API cuGraphRetainUserObject(CUgraph graph_handle, CUuserObject handle, unsigned count,
                                unsigned flags) {
  SIM_ENTER(cuGraphRetainUserObject);
  const auto lock = Scheduler::get().lock();
  const auto graph = graphs().find(graph_handle);
  const auto object = user_objects().find(handle);
  if (!graph || !object || !count || (flags & ~CU_GRAPH_USER_OBJECT_MOVE)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const bool moved = flags & CU_GRAPH_USER_OBJECT_MOVE;
  if (moved && count > object->references) return CUDA_ERROR_INVALID_VALUE;
  if (!moved) retain(object.get(), count);
  graph->user_objects[object.get()] += count;
  return CUDA_SUCCESS;
}

SIM_API cuGraphReleaseUserObject(CUgraph graph_handle, CUuserObject handle, unsigned count) {
  SIM_ENTER(cuGraphReleaseUserObject);
  const auto lock = Scheduler::get().lock();
  const auto graph = graphs().find(graph_handle);
  const auto object = user_objects().find(handle);
  if (!graph || !object || !count) return CUDA_ERROR_INVALID_VALUE;
  const auto held = graph->user_objects.find(object.get());
  if (held == graph->user_objects.end() || held->second < count) return CUDA_ERROR_INVALID_VALUE;
  if (!(held->second -= count)) graph->user_objects.erase(held);
  release(object.get(), count);
  return CUDA_SUCCESS;
}

}  // namespace sim
