// SPDX-License-Identifier: Apache-2.0
// Graphs as data, and running them; see graph.h. The entry points are in graph_*_api.cpp.
#include "tests/sim/driver/graph.h"

#include <algorithm>

#include "tests/sim/driver/context.h"
#include "tests/sim/driver/graph_condition.h"

namespace sim {

Handles<Graph, CUgraph>& graphs() {
  static auto* const table = new Handles<Graph, CUgraph>;
  return *table;
}

Handles<GraphNode, CUgraphNode>& graph_nodes() {
  static auto* const table = new Handles<GraphNode, CUgraphNode>;
  return *table;
}

Handles<GraphExec, CUgraphExec>& graph_execs() {
  static auto* const table = new Handles<GraphExec, CUgraphExec>;
  return *table;
}

bool GraphNode::depends_on(const GraphNode* other) const {
  return std::any_of(before.begin(), before.end(),
                     [other](const Edge& edge) { return edge.from == other; });
}

Graph::~Graph() {
  for (const auto& [object, count] : user_objects) release(object, count);
}

GraphNode* Graph::add(Context* context, Node what, std::span<const GraphNode::Edge> before) {
  auto node = std::make_shared<GraphNode>();
  node->graph = this;
  node->context = context;
  node->what = std::move(what);
  node->before.assign(before.begin(), before.end());
  nodes.push_back(node);
  return node.get();
}

std::vector<GraphNode*> Graph::in_order() const {
  std::unordered_map<const GraphNode*, size_t> missing;
  std::unordered_map<const GraphNode*, std::vector<GraphNode*>> after;
  std::vector<GraphNode*> order;
  for (const auto& node : nodes) {
    missing[node.get()] = node->before.size();
    for (const auto& edge : node->before) after[edge.from].push_back(node.get());
    if (node->before.empty()) order.push_back(node.get());
  }
  for (size_t i = 0; i < order.size(); i++) {
    for (GraphNode* node : after[order[i]]) {
      if (!--missing[node]) order.push_back(node);
    }
  }
  if (order.size() != nodes.size()) order.clear();
  return order;
}

std::shared_ptr<Graph> clone(const Graph& graph) {
  auto copy = std::make_shared<Graph>();
  std::unordered_map<const GraphNode*, GraphNode*> twin;
  for (const auto& node : graph.nodes) {
    GraphNode* const made = copy->add(node->context, node->what, {});
    made->origin = node.get();
    made->attributes = node->attributes;
    if (auto* child = std::get_if<ChildNode>(&made->what)) {
      child->graph = clone(*child->graph);
      child->graph->parent = made;
    }
    if (auto* conditional = std::get_if<ConditionalNode>(&made->what)) {
      for (auto& body : conditional->bodies) {
        body = clone(*body);
        body->parent = made;
      }
    }
    twin[node.get()] = made;
  }
  for (const auto& node : graph.nodes) {
    for (const auto& edge : node->before) {
      twin[node.get()]->before.push_back({twin[edge.from], edge.data});
    }
  }
  copy->user_objects = graph.user_objects;
  for (const auto& [object, count] : copy->user_objects) retain(object, count);
  return copy;
}

void publish(const std::shared_ptr<Graph>& graph) {
  graphs().insert(graph);
  for (const auto& node : graph->nodes) {
    graph_nodes().insert(node);
    for (const auto& inner : inner_graphs(node->what)) publish(inner);
  }
}

void withdraw(Graph& graph) {
  for (const auto& node : graph.nodes) {
    for (const auto& inner : inner_graphs(node->what)) withdraw(*inner);
    graph_nodes().erase(Handles<GraphNode, CUgraphNode>::handle(node.get()));
  }
  graphs().erase(Handles<Graph, CUgraph>::handle(&graph));
}

CUgraphNodeType type_of(const Node& node) {
  // In the order of the variant.
  constexpr CUgraphNodeType kTypes[] = {
      CU_GRAPH_NODE_TYPE_KERNEL,       CU_GRAPH_NODE_TYPE_MEMCPY,
      CU_GRAPH_NODE_TYPE_MEMSET,       CU_GRAPH_NODE_TYPE_HOST,
      CU_GRAPH_NODE_TYPE_EMPTY,        CU_GRAPH_NODE_TYPE_GRAPH,
      CU_GRAPH_NODE_TYPE_EVENT_RECORD, CU_GRAPH_NODE_TYPE_WAIT_EVENT,
      CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, CU_GRAPH_NODE_TYPE_CONDITIONAL,
      CU_GRAPH_NODE_TYPE_MEM_ALLOC,    CU_GRAPH_NODE_TYPE_MEM_FREE};
  static_assert(std::size(kTypes) == std::variant_size_v<Node>);
  return kTypes[node.index()];
}

std::vector<Point> run_graph(Scheduler::Lock& lock, const GraphExec& exec, const Graph& graph,
                             const std::vector<Point>& start) {
  std::unordered_map<const GraphNode*, std::vector<Point>> ends;
  std::set<const GraphNode*> inner;
  for (GraphNode* node : graph.in_order()) {
    std::vector<Point> after;
    for (const auto& edge : node->before) {
      inner.insert(edge.from);
      after.insert(after.end(), ends[edge.from].begin(), ends[edge.from].end());
    }
    if (node->before.empty()) after = start;
    const bool enabled = !exec.disabled.count(node);
    if (const auto* child = std::get_if<ChildNode>(&node->what)) {
      ends[node] = run_graph(lock, exec, *child->graph, after);
      continue;
    }
    if (const auto* wait = std::get_if<WaitNode>(&node->what); wait && enabled) {
      after.insert(after.end(), wait->event->points.begin(), wait->event->points.end());
    }
    Context* const context = node->context ? node->context : exec.context;
    const auto* conditional = std::get_if<ConditionalNode>(&node->what);
    Work work = conditional ? conditional_work(exec, *conditional)
                : enabled   ? make_work(context, node->what)
                            : Work{};
    const Point end =
        Scheduler::get().submit(context, context->device, nullptr, std::move(work), after);
    ends[node] = {end};
    if (const auto* record = std::get_if<RecordNode>(&node->what); record && enabled) {
      record->event->recorded = true;
      record->event->capture = nullptr;
      record->event->points = {end};
    }
  }
  std::vector<Point> leaves;
  for (const auto& [node, points] : ends) {
    if (!inner.count(node)) leaves.insert(leaves.end(), points.begin(), points.end());
  }
  return leaves.empty() ? start : leaves;
}

}  // namespace sim
