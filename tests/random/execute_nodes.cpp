// SPDX-License-Identifier: Apache-2.0
// Nodes beyond kernels, sets, copies and host functions.
#include "tests/random/execute.h"

namespace random_program {

CUgraphNode Executor::add_kernel(const LiveContext& home, CUgraph graph, const Nodes& after,
                                 Kernel kernel, Parameters parameters) {
  CUDA_KERNEL_NODE_PARAMS params{};
  params.func = home.kernels[static_cast<size_t>(kernel)];
  params.gridDimX = params.gridDimY = params.gridDimZ = 1;
  params.blockDimX = params.blockDimY = params.blockDimZ = 1;
  params.kernelParams = parameters.pointers();
  CUgraphNode node = nullptr;
  check(cuGraphAddKernelNode(&node, graph, after.data(), after.size(), &params),
        "cuGraphAddKernelNode");
  return node;
}

CUgraphNode Executor::add_child(const LiveContext& home, CUgraph graph, const Nodes& after,
                                const Child& child) {
  Nodes inner;
  const CUgraph copied = build(home, child.nodes, &inner);
  CUgraphNode node = nullptr;
  check(cuGraphAddChildGraphNode(&node, graph, after.data(), after.size(), copied),
        "cuGraphAddChildGraphNode");
  check(cuGraphDestroy(copied), "cuGraphDestroy");
  return node;
}

// A kernel that sets the handle, and the node that looks at it.
CUgraphNode Executor::add_conditional(const LiveContext& home, CUgraph graph, const Nodes& after,
                                      const Conditional& conditional) {
  const bool loop = conditional.branch == Branch::While;
  constexpr CUgraphConditionalNodeType kTypes[] = {CU_GRAPH_COND_TYPE_IF, CU_GRAPH_COND_TYPE_IF,
                                                   CU_GRAPH_COND_TYPE_SWITCH,
                                                   CU_GRAPH_COND_TYPE_WHILE};
  CUgraphConditionalHandle handle = 0;
  check(cuGraphConditionalHandleCreate(&handle, graph, home.context, 0, 0),
        "cuGraphConditionalHandleCreate");
  Parameters decision;
  decision.add(handle);
  decision.add(device(conditional.word));
  // A value for which there is no body is one of the choices.
  const auto bodies = static_cast<unsigned>(conditional.bodies.size());
  decision.add(conditional.branch == Branch::Switch ? uint32_t{bodies + 1} : uint32_t{2});
  decision.add(conditional.salt);
  const CUgraphNode decide = add_kernel(
      home, graph, after, loop ? Kernel::CountRounds : Kernel::Decide, std::move(decision));
  CUgraphNodeParams params{};
  params.type = CU_GRAPH_NODE_TYPE_CONDITIONAL;
  params.conditional.handle = handle;
  params.conditional.type = kTypes[static_cast<size_t>(conditional.branch)];
  params.conditional.size = bodies;
  params.conditional.ctx = home.context;
  CUgraphNode node = nullptr;
#if CUDA_VERSION >= 13000
  check(cuGraphAddNode(&node, graph, &decide, nullptr, 1, &params), "cuGraphAddNode");
#else
  check(cuGraphAddNode(&node, graph, &decide, 1, &params), "cuGraphAddNode");
#endif
  for (size_t i = 0; i < bodies; ++i) {
    const CUgraph body = params.conditional.phGraph_out[i];
    Nodes inner;
    build_into(home, body, conditional.bodies[i], &inner);
    if (!loop) continue;
    Parameters count;
    count.add(handle);
    count.add(device(conditional.word));
    const Nodes last(inner.end() - (inner.empty() ? 0 : 1), inner.end());
    add_kernel(home, body, last, Kernel::CountDown, std::move(count));
  }
  return node;
}

CUgraphNode Executor::add_updatable(const LiveContext& home, CUgraph graph, const Nodes& after,
                                    const Updatable& updatable) {
  Parameters packed;
  const CUDA_KERNEL_NODE_PARAMS params = kernel_node(home, updatable.launch, &packed);
  CUgraphNode node = nullptr;
  check(cuGraphAddKernelNode(&node, graph, nullptr, 0, &params), "cuGraphAddKernelNode");
  CUkernelNodeAttrValue attribute{};
  constexpr auto kUpdatable = CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE;
  attribute.deviceUpdatableKernelNode.deviceUpdatable = 1;
  check(cuGraphKernelNodeSetAttribute(node, kUpdatable, &attribute),
        "cuGraphKernelNodeSetAttribute");
  check(cuGraphKernelNodeGetAttribute(node, kUpdatable, &attribute),
        "cuGraphKernelNodeGetAttribute");
  Parameters change;
  change.add(attribute.deviceUpdatableKernelNode.devNode);
  change.add(device(updatable.word));
  change.add(uint64_t{packed.last_offset()});  // the salt
  change.add(updatable.salt);
  const CUgraphNode retune = add_kernel(home, graph, after, Kernel::Retune, std::move(change));
#if CUDA_VERSION >= 13000
  check(cuGraphAddDependencies(graph, &retune, &node, nullptr, 1), "cuGraphAddDependencies");
#else
  check(cuGraphAddDependencies(graph, &retune, &node, 1), "cuGraphAddDependencies");
#endif
  return node;
}

CUgraphNode Executor::add_memory(const LiveContext&, CUgraph graph, const Nodes& after,
                                 const GraphAllocate& work) {
  CUDA_MEM_ALLOC_NODE_PARAMS params{};
  const int ordinal = plan_.contexts[plan_.buffers[work.buffer].context].device;
  params.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  params.poolProps.location = {CU_MEM_LOCATION_TYPE_DEVICE, {devices_[ordinal]}};
  params.bytesize = work.bytes;
  CUgraphNode node = nullptr;
  check(cuGraphAddMemAllocNode(&node, graph, after.data(), after.size(), &params),
        "cuGraphAddMemAllocNode");
  buffers_[work.buffer].address = params.dptr;
  return node;
}

}  // namespace random_program
