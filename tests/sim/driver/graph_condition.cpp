// SPDX-License-Identifier: Apache-2.0
// Conditional nodes; see graph_condition.h.
#include "tests/sim/driver/graph_condition.h"

#include <algorithm>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/device_node.h"
#include "tests/sim/driver/graph_params.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/programmatic.h"
#include "tests/sim/driver/texture.h"

namespace sim {
namespace {

struct Table {  // guarded by the scheduler's lock
  std::map<CUgraphConditionalHandle, std::shared_ptr<Condition>> all;
  CUgraphConditionalHandle last = 0x2000;
};

Table& table() {
  static auto* conditions = new Table;
  return *conditions;
}

// From device code, on a worker thread.
bool set_conditional(uint64_t handle, uint32_t value) {
  std::shared_ptr<Condition> condition;
  {
    const auto lock = Scheduler::get().lock();
    condition = find_condition(handle);
  }
  if (!condition || condition->context != current_context()) return false;
  condition->value = value;
  return true;
}

double copy_ns(const Work& work) {
  const Profile& p = profile();
  const auto bytes = static_cast<double>(work.bytes);
  switch (work.engine) {
    case Engine::CopyHtoD:
      return p.copy_latency_ns + bytes / p.htod_rate;
    case Engine::CopyDtoH:
      return p.copy_latency_ns + bytes / p.dtoh_rate;
    case Engine::CopyDtoD:
      return p.copy_latency_ns + bytes / p.copy_rate;
    case Engine::None:
    case Engine::Compute:
      break;
  }
  return 0;
}

using Program = std::vector<std::function<Done()>>;

void compile(const GraphExec& exec, const Graph& graph, Program* out) {
  for (const GraphNode* node : graph.in_order()) {
    if (exec.disabled.count(node)) continue;
    if (const auto* child = std::get_if<ChildNode>(&node->what)) {
      compile(exec, *child->graph, out);
      continue;
    }
    const auto* inner = std::get_if<ConditionalNode>(&node->what);
    Context* const context = node->context ? node->context : exec.context;
    Work work = inner ? conditional_work(exec, *inner) : make_work(context, node->what);
    if (!work.run) continue;
    out->push_back([work = std::move(work)] {
      Done done = work.run();
      done.duration_ns += copy_ns(work);
      return done;
    });
  }
}

bool run_program(const Program& program, Done* total) {
  for (const auto& step : program) {
    const Done done = step();
    total->duration_ns += done.duration_ns;
    total->status = done.status;
    total->message = done.message;
    if (done.status != CUDA_SUCCESS) return false;
  }
  return true;
}

// The device functions are the driver's: known before the first launch.
__attribute__((constructor)) void offer_device_calls() {
  ptx::set_device_calls({.set_conditional = set_conditional,
                         .update_node = update_device_node,
                         .texture = find_texture,
                         .launch_dependents = launch_dependents,
                         .dependency_done = dependency_done});
}

}  // namespace

std::shared_ptr<Condition> find_condition(CUgraphConditionalHandle handle) {
  const auto it = table().all.find(handle);
  return it == table().all.end() ? nullptr : it->second;
}

bool conditions_used(const Graph* graph) {
  return std::all_of(table().all.begin(), table().all.end(), [graph](const auto& entry) {
    return entry.second->graph != graph || entry.second->used;
  });
}

void drop_conditions(const Graph* graph) {
  std::erase_if(table().all, [graph](const auto& entry) { return entry.second->graph == graph; });
}

bool valid_body(const Graph& graph, const Context* context) {
  return std::all_of(graph.nodes.begin(), graph.nodes.end(), [context](const auto& node) {
    for (const auto& inner : inner_graphs(node->what)) {
      if (!valid_body(*inner, context)) return false;
    }
    if (std::holds_alternative<KernelNode>(node->what)) return node->context == context;
    return std::holds_alternative<CopyNode>(node->what) ||
           std::holds_alternative<FillNode>(node->what) ||
           std::holds_alternative<EmptyNode>(node->what) ||
           std::holds_alternative<ChildNode>(node->what) ||
           std::holds_alternative<ConditionalNode>(node->what);
  });
}

Work conditional_work(const GraphExec& exec, const ConditionalNode& node) {
  auto programs = std::make_shared<std::vector<Program>>(node.bodies.size());
  for (size_t i = 0; i < node.bodies.size(); i++) {
    compile(exec, *node.bodies[i], &(*programs)[i]);
  }
  Work work;
  work.name = "conditional node";
  work.engine = Engine::Compute;
  work.run = [programs, condition = node.condition, type = node.type] {
    Done total;
    const unsigned value = condition->value;
    if (type == CU_GRAPH_COND_TYPE_WHILE) {
      while (condition->value != 0 && run_program(programs->front(), &total)) {
      }
      return total;
    }
    const size_t chosen = type == CU_GRAPH_COND_TYPE_SWITCH ? value : value == 0;
    if (chosen < programs->size()) run_program((*programs)[chosen], &total);
    return total;
  };
  return work;
}

Work defaults_work(const Graph& graph) {
  std::vector<std::shared_ptr<Condition>> assigned;
  const std::function<void(const Graph&)> collect = [&](const Graph& part) {
    for (const auto& node : part.nodes) {
      const auto* conditional = std::get_if<ConditionalNode>(&node->what);
      if (conditional && conditional->condition->assign) assigned.push_back(conditional->condition);
      for (const auto& inner : inner_graphs(node->what)) collect(*inner);
    }
  };
  collect(graph);
  Work work;
  if (assigned.empty()) return work;
  work.name = "default conditions";
  work.run = [assigned] {
    for (const auto& condition : assigned) condition->value = condition->standard;
    return Done{};
  };
  return work;
}

CUresult make_conditional(CUDA_CONDITIONAL_NODE_PARAMS* params, Context** context,
                          ConditionalNode* out) {
  if (const CUresult status = node_context(params->ctx, context)) return status;
  const unsigned most = params->type == CU_GRAPH_COND_TYPE_IF      ? 2
                        : params->type == CU_GRAPH_COND_TYPE_WHILE ? 1
                                                                   : ~0u;
  if (params->type > CU_GRAPH_COND_TYPE_SWITCH || !params->size || params->size > most) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto lock = Scheduler::get().lock();
  out->condition = find_condition(params->handle);
  if (!out->condition || out->condition->used || out->condition->context != *context) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  out->type = params->type;
  for (unsigned i = 0; i < params->size; i++) out->bodies.push_back(std::make_shared<Graph>());
  return CUDA_SUCCESS;
}

}  // namespace sim

SIM_API cuGraphConditionalHandleCreate(CUgraphConditionalHandle* out, CUgraph handle,
                                       CUcontext context_handle, unsigned standard,
                                       unsigned flags) {
  SIM_ENTER(cuGraphConditionalHandleCreate);
  if (!out || (flags & ~CU_GRAPH_COND_ASSIGN_DEFAULT)) return CUDA_ERROR_INVALID_VALUE;
  sim::Context* context = nullptr;
  if (const CUresult status = sim::node_context(context_handle, &context)) return status;
  const auto lock = sim::Scheduler::get().lock();
  const auto graph = sim::graphs().find(handle);
  if (!graph) return CUDA_ERROR_INVALID_VALUE;
  auto condition = std::make_shared<sim::Condition>();
  condition->context = context;
  condition->graph = graph.get();
  condition->standard = standard;
  condition->assign = flags != 0;
  *out = ++sim::table().last;
  sim::table().all.emplace(*out, std::move(condition));
  return CUDA_SUCCESS;
}
