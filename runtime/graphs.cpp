// SPDX-License-Identifier: Apache-2.0
// Executable graphs: what a launch of one touches is read from its nodes when it is instantiated
// and after every update. Ranges named by copy, set and memory-operation nodes stay still, because
// the driver looks at their backing when it builds the graph.
#include <algorithm>

#include "runtime/ledger.h"
#include "runtime/log.h"
#include "runtime/manager.h"
#include "runtime/residents.h"
#include "runtime/rewrites.h"

namespace spillway {

namespace {

struct Named {
  std::vector<CUdeviceptr> used, still;
  Subject subject;
  std::vector<Rewrite> rewrites;
  bool opaque = false;  // a node whose operands cannot be read: it may touch anything
};

template <class Value>
void add_once(std::vector<Value>& all, const Value& one) {
  if (std::ranges::find(all, one) == all.end()) all.push_back(one);
}

void add_to(Subject& subject, const std::shared_ptr<const Layout>& kernel,
            const std::vector<CUdeviceptr>& words) {
  add_once(subject.kernels, kernel);
  for (const CUdeviceptr word : words) add_once(subject.words, word);
}

void add_kernel(Engine& engine, CUfunction function, void** params, void** extra, Named& out) {
  const bool distrusted = engine.config.trust_arguments == Trust::Off;
  const auto layout = distrusted ? nullptr : engine.layouts.learn(function);
  if (distrusted || (!extra && !layout)) {
    out.opaque = true;
    return;
  }
  const Arguments arguments = read_arguments(engine.arena, layout.get(), params, extra);
  out.used.insert(out.used.end(), arguments.ranges.begin(), arguments.ranges.end());
  if (!layout || layout->plain.load(std::memory_order_relaxed)) return;
  add_to(out.subject, layout, arguments.others);
}

bool names_device(CUmemorytype type) {
  return type == CU_MEMORYTYPE_DEVICE || type == CU_MEMORYTYPE_UNIFIED;
}

void read_graph(Engine& engine, CUgraph graph, Named& out);

void read_node(Engine& engine, CUgraphNode node, Named& out) {
  const Driver& driver = engine.driver;
  CUgraphNodeType type;
  if (driver.cuGraphNodeGetType(node, &type) != CUDA_SUCCESS) {
    out.opaque = true;
    return;
  }
  switch (type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: {
      CUDA_KERNEL_NODE_PARAMS params{};
      if (driver.cuGraphKernelNodeGetParams_v2(node, &params) != CUDA_SUCCESS) {
        out.opaque = true;
        break;
      }
      const auto handle = params.func ? params.func : reinterpret_cast<CUfunction>(params.kern);
      add_kernel(engine, handle, params.kernelParams, params.extra, out);
      break;
    }
    case CU_GRAPH_NODE_TYPE_MEMCPY: {
      CUDA_MEMCPY3D copy{};
      if (driver.cuGraphMemcpyNodeGetParams(node, &copy) != CUDA_SUCCESS) {
        out.opaque = true;
        break;
      }
      if (copy.dstMemoryType != CU_MEMORYTYPE_HOST)
        out.rewrites.push_back(rewrite_of(ends_of(copy)));
      if (names_device(copy.srcMemoryType)) out.still.push_back(copy.srcDevice);
      if (names_device(copy.dstMemoryType)) out.still.push_back(copy.dstDevice);
      break;
    }
    case CU_GRAPH_NODE_TYPE_MEMSET: {
      CUDA_MEMSET_NODE_PARAMS set{};
      if (driver.cuGraphMemsetNodeGetParams(node, &set) != CUDA_SUCCESS)
        out.opaque = true;
      else
        out.still.push_back(set.dst);
      break;
    }
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: {
      CUDA_BATCH_MEM_OP_NODE_PARAMS ops{};
      if (!driver.cuGraphBatchMemOpNodeGetParams ||
          driver.cuGraphBatchMemOpNodeGetParams(node, &ops) != CUDA_SUCCESS) {
        out.opaque = true;
        break;
      }
      for (unsigned i = 0; i < ops.count; i++)
        out.still.push_back(ops.paramArray[i].waitValue.address);  // one place in every kind
      break;
    }
    case CU_GRAPH_NODE_TYPE_GRAPH: {
      CUgraph child = nullptr;
      if (driver.cuGraphChildGraphNodeGetGraph(node, &child) == CUDA_SUCCESS)
        read_graph(engine, child, out);
      else
        out.opaque = true;
      break;
    }
    case CU_GRAPH_NODE_TYPE_HOST:
    case CU_GRAPH_NODE_TYPE_EMPTY:
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL:
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT:
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:  // the driver's own memory
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      break;
    default:
      out.opaque = true;  // conditional bodies, and what newer drivers add
  }
}

void read_graph(Engine& engine, CUgraph graph, Named& out) {
  size_t count = 0;
  if (engine.driver.cuGraphGetNodes(graph, nullptr, &count) != CUDA_SUCCESS) {
    out.opaque = true;
    return;
  }
  std::vector<CUgraphNode> nodes(count);
  if (count && engine.driver.cuGraphGetNodes(graph, nodes.data(), &count) != CUDA_SUCCESS) {
    out.opaque = true;
    return;
  }
  for (size_t i = 0; i < count; i++) read_node(engine, nodes[i], out);
}

std::vector<Range*> live_ranges(Engine& engine, const Held& held,
                                const std::vector<CUdeviceptr>& addresses) {
  std::vector<Range*> ranges;
  for (const CUdeviceptr address : addresses)
    if (Range* range = find_live(engine, held, address)) add_once(ranges, range);
  return ranges;
}

void let_go(Engine& engine, const Held& held, const GraphUse& use) {
  for (Range* range : use.stills) range->graph_stills--;
  for (Range* range : use.ranges)
    if (--range->graphs == 0 && range->life == Life::Zombie) cache(engine, held, *range);
}

// Adds what is named to the graph's set.
void add(Engine& engine, CUgraphExec exec, const Named& named) {
  std::vector<Range*> still;
  {
    Held held(engine.ledger);
    still = live_ranges(engine, held, named.still);
  }
  // On the device for as long as the graph lives; where that cannot be, it stays where it is.
  const bool fixed = acquire(engine, still, Need::Fixed, Cause::Pin) == CUDA_SUCCESS;
  {
    Held held(engine.ledger);
    GraphUse& use = engine.graphs[exec];
    for (const Rewrite& rewrite : named.rewrites)
      if (rewrite.source != Rewrite::Source::Set)
        engine.hidden.graph_rewrites[exec].push_back(rewrite);
    // A node may be given other arguments before every launch.
    for (const auto& kernel : named.subject.kernels)
      add_to(use.subject, kernel, named.subject.words);
    const auto join = [&](Range* range) {
      if (std::ranges::find(use.ranges, range) != use.ranges.end()) return;
      use.ranges.push_back(range);
      range->graphs++;
    };
    for (Range* range : live_ranges(engine, held, named.used)) join(range);
    for (Range* range : live_ranges(engine, held, named.still)) {
      join(range);
      if (std::ranges::find(use.stills, range) != use.stills.end()) continue;
      use.stills.push_back(range);
      range->graph_stills++;
    }
    if (named.opaque)
      for (Range* range : engine.ranges)
        if (range->life == Life::Live) join(range);
  }
  if (fixed) unpin(engine, still);
}

}  // namespace

CUresult Manager::hold_nodes(CUgraph graph, Submission submit) noexcept {
  Named named;
  read_graph(engine_, graph, named);
  std::vector<Range*> ranges;
  {
    Held held(engine_.ledger);
    ranges = live_ranges(engine_, held, named.still);
  }
  return with_fixed(engine_, ranges, submit);
}

void Manager::graph_instantiated(CUgraphExec exec, CUgraph graph) noexcept {
  Named named;
  read_graph(engine_, graph, named);
  GraphUse before;
  {
    Held held(engine_.ledger);
    const auto found = engine_.graphs.find(exec);
    if (found != engine_.graphs.end()) {
      before = std::move(found->second);
      engine_.graphs.erase(found);
    }
    engine_.hidden.graph_rewrites.erase(exec);
  }
  add(engine_, exec, named);
  Held held(engine_.ledger);
  let_go(engine_, held, before);
}

void Manager::graph_exec_kernel(CUgraphExec exec, CUfunction function, void** params,
                                void** extra) noexcept {
  Named named;
  add_kernel(engine_, function, params, extra, named);
  add(engine_, exec, named);
}

void Manager::graph_exec_memory(CUgraphExec exec, std::span<const Access> accesses,
                                std::span<const Rewrite> rewrites) noexcept {
  Named named;
  named.rewrites.assign(rewrites.begin(), rewrites.end());
  for (const Access& access : accesses) named.still.push_back(access.address);
  add(engine_, exec, named);
}

void Manager::graph_exec_child(CUgraphExec exec, CUgraph child) noexcept {
  Named named;
  read_graph(engine_, child, named);
  add(engine_, exec, named);
}

void Manager::graph_exec_destroyed(CUgraphExec exec) noexcept {
  Held held(engine_.ledger);
  const auto found = engine_.graphs.find(exec);
  if (found == engine_.graphs.end()) return;
  let_go(engine_, held, found->second);
  engine_.graphs.erase(found);
  engine_.hidden.graph_rewrites.erase(exec);
}

}  // namespace spillway
