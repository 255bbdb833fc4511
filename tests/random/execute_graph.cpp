// SPDX-License-Identifier: Apache-2.0
#include "tests/random/execute.h"

namespace random_program {

CUDA_KERNEL_NODE_PARAMS Executor::kernel_node(const LiveContext& home, const Launch& launch,
                                              Parameters* packed) const {
  CUDA_KERNEL_NODE_PARAMS node{};
  node.func = home.kernels[static_cast<size_t>(launch.kernel)];
  node.gridDimX = launch.grid;
  node.gridDimY = node.gridDimZ = 1;
  node.blockDimX = launch.block;
  node.blockDimY = node.blockDimZ = 1;
  *packed = parameters(launch);
  node.kernelParams = launch.packing == Packing::Params ? packed->pointers() : nullptr;
  node.extra = launch.packing == Packing::Extra ? packed->extra() : nullptr;
  return node;
}

CUDA_MEMSET_NODE_PARAMS Executor::memset_node(const Set& set) const {
  CUDA_MEMSET_NODE_PARAMS node{};
  node.dst = device(set.target);
  node.elementSize = set.element;
  // Only the low bits that an element has may be set.
  node.value = set.element == 4 ? set.value : set.value & ((1u << (8 * set.element)) - 1);
  node.width = set.width;
  node.height = set.height;
  node.pitch = pitch_of(set.target, set.pitch);
  return node;
}

CUDA_MEMCPY3D Executor::memcpy_node(const Copy& copy) const {
  CUDA_MEMCPY3D node = volume(copy);
  // One run: a row as long as the copy.
  node.srcPitch = node.dstPitch = copy.width;
  node.srcHeight = node.dstHeight = 1;
  return node;
}

CUgraphNode Executor::add(const LiveContext& home, CUgraph graph,
                          const std::vector<CUgraphNode>& after, const NodeWork& work) {
  CUgraphNode node = nullptr;
  const CUgraphNode* const first = after.data();
  const size_t count = after.size();
  if (const Launch* launch = std::get_if<Launch>(&work)) {
    Parameters packed;
    const CUDA_KERNEL_NODE_PARAMS params = kernel_node(home, *launch, &packed);
    check(cuGraphAddKernelNode(&node, graph, first, count, &params), "cuGraphAddKernelNode");
  } else if (const Set* set = std::get_if<Set>(&work)) {
    const CUDA_MEMSET_NODE_PARAMS params = memset_node(*set);
    check(cuGraphAddMemsetNode(&node, graph, first, count, &params, home.context),
          "cuGraphAddMemsetNode");
  } else if (const Copy* copy = std::get_if<Copy>(&work)) {
    const CUDA_MEMCPY3D params = memcpy_node(*copy);
    check(cuGraphAddMemcpyNode(&node, graph, first, count, &params, home.context),
          "cuGraphAddMemcpyNode");
  } else if (const HostFunction* function = std::get_if<HostFunction>(&work)) {
    const CUDA_HOST_NODE_PARAMS params{run_host_order, host_order(*function)};
    check(cuGraphAddHostNode(&node, graph, first, count, &params), "cuGraphAddHostNode");
  } else if (const Record* record = std::get_if<Record>(&work)) {
    check(cuGraphAddEventRecordNode(&node, graph, first, count, events_[record->event]),
          "cuGraphAddEventRecordNode");
  } else if (const WaitEvent* wait = std::get_if<WaitEvent>(&work)) {
    check(cuGraphAddEventWaitNode(&node, graph, first, count, events_[wait->event]),
          "cuGraphAddEventWaitNode");
  } else if (const Child* child = std::get_if<Child>(&work)) {
    node = add_child(home, graph, after, *child);
  } else if (const Conditional* conditional = std::get_if<Conditional>(&work)) {
    node = add_conditional(home, graph, after, *conditional);
  } else if (const Updatable* updatable = std::get_if<Updatable>(&work)) {
    node = add_updatable(home, graph, after, *updatable);
  } else if (const GraphAllocate* allocate = std::get_if<GraphAllocate>(&work)) {
    node = add_memory(home, graph, after, *allocate);
  } else if (const GraphFree* free = std::get_if<GraphFree>(&work)) {
    check(cuGraphAddMemFreeNode(&node, graph, first, count, buffers_[free->buffer].address),
          "cuGraphAddMemFreeNode");
  } else {
    check(cuGraphAddEmptyNode(&node, graph, first, count), "cuGraphAddEmptyNode");
  }
  return node;
}

CUgraph Executor::build(const LiveContext& home, const std::vector<Node>& nodes,
                        std::vector<CUgraphNode>* made) {
  CUgraph graph = nullptr;
  check(cuGraphCreate(&graph, 0), "cuGraphCreate");
  build_into(home, graph, nodes, made);
  return graph;
}

void Executor::build_into(const LiveContext& home, CUgraph graph, const std::vector<Node>& nodes,
                          std::vector<CUgraphNode>* made) {
  for (const Node& node : nodes) {
    std::vector<CUgraphNode> after;
    for (int parent : node.after) after.push_back((*made)[static_cast<size_t>(parent)]);
    made->push_back(add(home, graph, after, node.work));
  }
}

// A second stream is forked from the first and joined to it again, by events of its own.
CUgraph Executor::capture(Turn& turn, const Operation& operation, int second, int mode,
                          const std::vector<Node>& nodes) {
  const Calls& call = calls(operation);
  const CUstream first = stream(operation);
  CUevent fork = nullptr, join = nullptr;
  check(cuEventCreate(&fork, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
  check(cuEventCreate(&join, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
  check(call.begin_capture(first, static_cast<CUstreamCaptureMode>(mode)), "cuStreamBeginCapture");
  const Operation on_second{second, false, Checkpoint{}};
  if (second >= 0) {
    check(call.record(fork, first), "cuEventRecord in capture");
    check(calls(on_second).wait_event(streams_[second], fork, 0), "cuStreamWaitEvent in capture");
  }
  for (const Node& node : nodes) {
    std::visit(
        [&](const auto& work) {
          using Kind = std::decay_t<decltype(work)>;
          Operation step = node.lane == 0 ? operation : on_second;
          if constexpr (std::is_same_v<Kind, GraphAllocate>) {
            check(calls(step).alloc_async(&buffers_[work.buffer].address, work.bytes, stream(step)),
                  "cuMemAllocAsync in capture");
          } else if constexpr (std::is_same_v<Kind, GraphFree>) {
            check(calls(step).free_async(buffers_[work.buffer].address, stream(step)),
                  "cuMemFreeAsync in capture");
          } else if constexpr (std::is_constructible_v<Work, Kind>) {
            step.work = work;
            perform(turn, step, work);
          }
        },
        node.work);
  }
  if (second >= 0) {
    check(calls(on_second).record(join, streams_[second]), "cuEventRecord in capture");
    check(call.wait_event(first, join, 0), "cuStreamWaitEvent in capture");
  }
  CUgraph graph = nullptr;
  check(call.end_capture(first, &graph), "cuStreamEndCapture");
  check(cuEventDestroy(fork), "cuEventDestroy");
  check(cuEventDestroy(join), "cuEventDestroy");
  return graph;
}

void Executor::perform(Turn& turn, const Operation& operation, const MakeGraph& work) {
  LiveGraph& live = graphs_[work.graph];
  switch (work.building) {
    case Building::ByHand:
      live.graph = build(home(operation), work.nodes, &live.nodes);
      break;
    case Building::Captured:
      live.graph = capture(turn, operation, work.second_stream, work.capture_mode, work.nodes);
      break;
  }
  // The old name and the new one of the same thing.
  if (work.graph % 2 == 0) {
    check(cuGraphInstantiateWithFlags(&live.exec, live.graph, 0), "cuGraphInstantiate");
  } else {
    CUDA_GRAPH_INSTANTIATE_PARAMS params{};
    check(cuGraphInstantiateWithParams(&live.exec, live.graph, &params),
          "cuGraphInstantiateWithParams");
  }
}

void Executor::perform(Turn& turn, const Operation& operation, const UpdateGraph& work) {
  const LiveContext& home = this->home(operation);
  LiveGraph& live = graphs_[work.graph];
  if (!work.whole) {
    for (int index : work.changed) {
      const CUgraphNode node = live.nodes[static_cast<size_t>(index)];
      const NodeWork& changed = work.nodes[static_cast<size_t>(index)].work;
      if (const Launch* launch = std::get_if<Launch>(&changed)) {
        Parameters packed;
        const CUDA_KERNEL_NODE_PARAMS params = kernel_node(home, *launch, &packed);
        check(cuGraphExecKernelNodeSetParams(live.exec, node, &params),
              "cuGraphExecKernelNodeSetParams");
      } else if (const Set* set = std::get_if<Set>(&changed)) {
        const CUDA_MEMSET_NODE_PARAMS params = memset_node(*set);
        check(cuGraphExecMemsetNodeSetParams(live.exec, node, &params, home.context),
              "cuGraphExecMemsetNodeSetParams");
      } else if (const Child* child = std::get_if<Child>(&changed)) {
        std::vector<CUgraphNode> inner;
        const CUgraph graph = build(home, child->nodes, &inner);
        check(cuGraphExecChildGraphNodeSetParams(live.exec, node, graph),
              "cuGraphExecChildGraphNodeSetParams");
        check(cuGraphDestroy(graph), "cuGraphDestroy");
      }
    }
    return;
  }
  std::vector<CUgraphNode> nodes;
  const CUgraph graph = live.nodes.empty()
                            ? capture(turn, operation, work.second_stream, 2, work.nodes)
                            : build(home, work.nodes, &nodes);
  CUgraphExecUpdateResultInfo info{};
  const CUresult updated = cuGraphExecUpdate(live.exec, graph, &info);
  if (updated == CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE) {
    // The driver may always say so, and then the graph is made again, as frameworks do.
    check(cuGraphExecDestroy(live.exec), "cuGraphExecDestroy");
    check(cuGraphInstantiate(&live.exec, graph, 0), "cuGraphInstantiate");
  } else {
    check(updated, "cuGraphExecUpdate");
  }
  check(cuGraphDestroy(graph), "cuGraphDestroy");
}

void Executor::perform(Turn&, const Operation& operation, const LaunchGraph& work) {
  check(calls(operation).launch_graph(graphs_[work.graph].exec, stream(operation)),
        "cuGraphLaunch");
}

void Executor::perform(Turn&, const Operation&, const DropGraph& work) {
  check(cuGraphExecDestroy(graphs_[work.graph].exec), "cuGraphExecDestroy");
  check(cuGraphDestroy(graphs_[work.graph].graph), "cuGraphDestroy");
  graphs_[work.graph] = {};
}

}  // namespace random_program
