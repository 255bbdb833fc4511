// SPDX-License-Identifier: Apache-2.0
// Graphs: nodes with dependencies, and what instantiation makes of them. Guarded by the scheduler's
// lock (the driver itself promises no thread safety here).
#pragma once

#include <cuda.h>

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "tests/sim/driver/handles.h"
#include "tests/sim/driver/node.h"

namespace sim {

struct UserObject;

struct GraphNode {
  struct Edge {
    GraphNode* from;
    CUgraphEdgeData data;
  };

  Graph* graph = nullptr;
  const GraphNode* origin =
      nullptr;  // the node that this one was cloned from; compared, not followed
  Context* context = nullptr;
  Node what;
  std::vector<Edge> before;  // in the order in which they were added
  std::map<CUkernelNodeAttrID, CUkernelNodeAttrValue> attributes;
  // What kernel node queries point at: one pointer a parameter, into the node's own copy.
  std::vector<void*> parameter_pointers;
  std::vector<CUgraph> body_handles;  // of a conditional: what the application was given
  bool depends_on(const GraphNode* other) const;
};

struct Graph {
  ~Graph();

  std::vector<std::shared_ptr<GraphNode>> nodes;  // in order of creation
  GraphNode* parent = nullptr;                    // of a child node's graph: owned by that node
  std::map<UserObject*, unsigned> user_objects;   // with their references

  GraphNode* add(Context* context, Node what, std::span<const GraphNode::Edge> before);
  // Every node after those it depends on; empty for a graph with a cycle.
  std::vector<GraphNode*> in_order() const;
};

struct GraphExec {
  Context* context = nullptr;
  std::shared_ptr<Graph> graph;   // a private copy
  const Graph* origin = nullptr;  // compared, not followed
  std::unordered_map<const GraphNode*, GraphNode*> by_origin;
  std::set<const GraphNode*> disabled;  // nodes of the copy
  unsigned long long flags = 0;
  Point last;  // the end of the last launch: one executable graph never overlaps itself
};

Handles<Graph, CUgraph>& graphs();
Handles<GraphNode, CUgraphNode>& graph_nodes();
Handles<GraphExec, CUgraphExec>& graph_execs();

std::shared_ptr<Graph> clone(const Graph& graph);
// Makes the graph's nodes, and those of its child graphs, findable by handle; or stale.
void publish(const std::shared_ptr<Graph>& graph);
void withdraw(Graph& graph);
CUgraphNodeType type_of(const Node& node);
// Queues all of it behind `start`; the answer is what must be done for the graph to be done.
std::vector<Point> run_graph(Scheduler::Lock& lock, const GraphExec& exec, const Graph& graph,
                             const std::vector<Point>& start);

void retain(UserObject* object, unsigned count);
void release(UserObject* object, unsigned count);

}  // namespace sim
