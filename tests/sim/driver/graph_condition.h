// SPDX-License-Identifier: Apache-2.0
// Conditional graph nodes: handles, which device code sets, and bodies, which run inside the node.
// The body of a conditional is one operation of the schedule: its nodes run one after the other.
#pragma once

#include "tests/sim/driver/graph.h"

namespace sim {

// With the scheduler's lock held.
std::shared_ptr<Condition> find_condition(CUgraphConditionalHandle handle);  // null: none
// Whether every handle that was made for this graph has its node.
bool conditions_used(const Graph* graph);
void drop_conditions(const Graph* graph);  // that is destroyed
// What a conditional's bodies may hold: kernels of its context, copies, sets, and more of the same.
bool valid_body(const Graph& graph, const Context* context);
Work conditional_work(const GraphExec& exec, const ConditionalNode& node);
// Sets the default values of a graph about to run; no run: there are none.
Work defaults_work(const Graph& graph);

// Fills a node from the application's description, and its graphs' handles in return.
CUresult make_conditional(CUDA_CONDITIONAL_NODE_PARAMS* params, Context** context,
                          ConditionalNode* out);

}  // namespace sim
