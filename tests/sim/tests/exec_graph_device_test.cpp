// SPDX-License-Identifier: Apache-2.0
// Graphs that decide for themselves: conditional nodes, nodes that device code changes, and memory
// nodes.
#include "tests/sim/tests/exec_fixture.h"

namespace exec {
namespace {

// count_down(handle, n): *n -= 1, go on while it is not 0. choose(handle, value).
// add_to(node, p): makes `node` add to p instead of where it added before; toggle(node, on).
constexpr char kControlPtx[] = R"(
.version 8.3
.target sm_75
.address_size 64
.extern .func cudaGraphSetConditional(.param .b64 a, .param .b32 b);
.extern .func (.param .b32 r) cudaGraphKernelNodeSetParam(.param .b64 a, .param .b64 b, .param .b64 c, .param .b64 d);
.extern .func (.param .b32 r) cudaGraphKernelNodeSetEnabled(.param .b64 a, .param .b32 b);
.visible .entry count_down(.param .u64 handle, .param .u64 n)
{
  .reg .b32 %r<3>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [handle];
  ld.param.u64 %rd2, [n];
  ld.global.u32 %r1, [%rd2];
  sub.u32 %r1, %r1, 1;
  st.global.u32 [%rd2], %r1;
  {
  .param .b64 p0;
  st.param.b64 [p0+0], %rd1;
  .param .b32 p1;
  st.param.b32 [p1+0], %r1;
  call.uni cudaGraphSetConditional, (p0, p1);
  }
  ret;
}
.visible .entry choose(.param .u64 handle, .param .u32 value)
{
  .reg .b32 %r<2>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [handle];
  ld.param.u32 %r1, [value];
  {
  .param .b64 p0;
  st.param.b64 [p0+0], %rd1;
  .param .b32 p1;
  st.param.b32 [p1+0], %r1;
  call.uni cudaGraphSetConditional, (p0, p1);
  }
  ret;
}
.visible .entry add_to(.param .u64 node, .param .u64 p)
{
  .local .align 8 .b8 room[8];
  .reg .b32 %r<2>;
  .reg .b64 %rd<5>;
  ld.param.u64 %rd1, [node];
  ld.param.u64 %rd2, [p];
  mov.u64 %rd3, room;
  st.local.u64 [%rd3], %rd2;
  cvta.local.u64 %rd4, %rd3;
  {
  .param .b64 p0;
  st.param.b64 [p0+0], %rd1;
  .param .b64 p1;
  st.param.b64 [p1+0], 0;
  .param .b64 p2;
  st.param.b64 [p2+0], %rd4;
  .param .b64 p3;
  st.param.b64 [p3+0], 8;
  .param .b32 r0;
  call.uni (r0), cudaGraphKernelNodeSetParam, (p0, p1, p2, p3);
  }
  ret;
}
.visible .entry toggle(.param .u64 node, .param .u32 on)
{
  .reg .b32 %r<2>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [node];
  ld.param.u32 %r1, [on];
  {
  .param .b64 p0;
  st.param.b64 [p0+0], %rd1;
  .param .b32 p1;
  st.param.b32 [p1+0], %r1;
  .param .b32 r0;
  call.uni (r0), cudaGraphKernelNodeSetEnabled, (p0, p1);
  }
  ret;
}
)";

class GraphControl : public Exec {
 protected:
  void SetUp() override {
    Exec::SetUp();
    CHECK_CU(cuModuleLoadData(&control_, kControlPtx));
    CHECK_CU(cuGraphCreate(&graph_, 0));
    stream_ = stream();
  }
  CUfunction function(const char* name) {
    CUfunction found = nullptr;
    EXPECT_EQ(CUDA_SUCCESS, cuModuleGetFunction(&found, control_, name));
    return found;
  }
  CUgraphConditionalHandle condition(unsigned standard, unsigned flags = 0) {
    CUgraphConditionalHandle made = 0;
    EXPECT_EQ(CUDA_SUCCESS,
              cuGraphConditionalHandleCreate(&made, graph_, context_, standard, flags));
    return made;
  }
  CUresult conditional(CUgraphConditionalHandle handle, CUgraphConditionalNodeType type,
                       unsigned size, std::vector<CUgraphNode> before, CUgraphNode* node,
                       std::vector<CUgraph>* bodies) {
    CUgraphNodeParams params{};
    params.type = CU_GRAPH_NODE_TYPE_CONDITIONAL;
    params.conditional.handle = handle;
    params.conditional.type = type;
    params.conditional.size = size;
    params.conditional.ctx = context_;
    const CUresult status =
        cuGraphAddNode_v2(node, graph_, before.data(), nullptr, before.size(), &params);
    if (status == CUDA_SUCCESS) {
      bodies->assign(params.conditional.phGraph_out, params.conditional.phGraph_out + size);
    }
    return status;
  }
  CUgraphExec instantiate() {
    CUgraphExec exec = nullptr;
    EXPECT_EQ(CUDA_SUCCESS, cuGraphInstantiateWithFlags(&exec, graph_, 0));
    return exec;
  }
  CUresult instantiate_again(unsigned long long flags = 0) {
    CUgraphExec exec = nullptr;
    return cuGraphInstantiateWithFlags(&exec, graph_, flags);
  }
  CUmodule control_ = nullptr;
  CUgraph graph_ = nullptr;
  CUstream stream_ = nullptr;
};

TEST_F(GraphControl, AWhileBodyRunsUntilTheDeviceSaysStop) {
  const CUgraphConditionalHandle handle = condition(1, CU_GRAPH_COND_ASSIGN_DEFAULT);
  CUgraphNode node = nullptr;
  std::vector<CUgraph> bodies;
  CHECK_CU(conditional(handle, CU_GRAPH_COND_TYPE_WHILE, 1, {}, &node, &bodies));
  CUgraphNode count = kernel_node(bodies[0], function("count_down"), {}, handle, memory_ + 4);
  kernel_node(bodies[0], chain_, {count}, memory_, 1u);
  kernel_node(graph_, chain_, {node}, memory_, 2u);  // behind the whole loop
  CUgraphExec exec = instantiate();
  unsigned expected = 0;
  for (int launch = 0; launch < 2; launch++) {  // the default is set anew
    CHECK_CU(cuMemsetD32Async(memory_ + 4, 3, 1, stream_));
    CHECK_CU(cuGraphLaunch(exec, stream_));
    for (const unsigned step : {1, 1, 1, 2}) expected = expected * 31 + step;
  }
  EXPECT_EQ(expected, static_cast<unsigned>(read()[0]));
  EXPECT_EQ(0, read()[1]);
}

TEST_F(GraphControl, IfElseAndSwitchChooseABody) {
  const CUgraphConditionalHandle either = condition(0), many = condition(0);
  CUgraphNode if_node = nullptr, switch_node = nullptr;
  std::vector<CUgraph> branches, cases;
  CUgraphNode set_if = kernel_node(graph_, function("choose"), {}, either, 0u);
  CUgraphNode set_switch = kernel_node(graph_, function("choose"), {}, many, 2u);
  CHECK_CU(
      conditional(either, CU_GRAPH_COND_TYPE_IF, 2, {set_if, set_switch}, &if_node, &branches));
  CHECK_CU(conditional(many, CU_GRAPH_COND_TYPE_SWITCH, 3, {if_node}, &switch_node, &cases));
  kernel_node(branches[0], chain_, {}, memory_, 1u);
  kernel_node(branches[1], chain_, {}, memory_, 2u);
  for (unsigned i = 0; i < 3; i++) kernel_node(cases[i], chain_, {}, memory_, 10 + i);
  CHECK_CU(cuGraphLaunch(instantiate(), stream_));
  EXPECT_EQ(2u * 31 + 12, static_cast<unsigned>(read()[0]));
}

TEST_F(GraphControl, ConditionsAreStrict) {
  CUgraphConditionalHandle handle = condition(0);
  CUgraphExec exec = nullptr;
  CUDA_GRAPH_INSTANTIATE_PARAMS params{};
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuGraphInstantiateWithParams(&exec, graph_, &params));
  EXPECT_EQ(CUDA_GRAPH_INSTANTIATE_CONDITIONAL_HANDLE_UNUSED, params.result_out);
  CUgraphNode node = nullptr, other = nullptr;
  std::vector<CUgraph> bodies;
  const auto add = [&](CUgraphConditionalHandle which, CUgraphConditionalNodeType type,
                       unsigned size) {
    return conditional(which, type, size, {}, &other, &bodies);
  };
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, add(handle, CU_GRAPH_COND_TYPE_WHILE, 2));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, add(handle, CU_GRAPH_COND_TYPE_IF, 3));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, add(handle + 77, CU_GRAPH_COND_TYPE_IF, 1));
  CHECK_CU(conditional(handle, CU_GRAPH_COND_TYPE_IF, 1, {}, &node, &bodies));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, add(handle, CU_GRAPH_COND_TYPE_IF, 1));  // has its node
  CUgraphNodeType type;
  CHECK_CU(cuGraphNodeGetType(node, &type));
  EXPECT_EQ(CU_GRAPH_NODE_TYPE_CONDITIONAL, type);
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuGraphDestroy(bodies[0]));  // the node's
  CUDA_HOST_NODE_PARAMS host{[](void*) {}, nullptr};
  CHECK_CU(cuGraphAddHostNode(&other, bodies[0], nullptr, 0, &host));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, instantiate_again());  // host nodes cannot be inside
}

TEST_F(GraphControl, AForeignHandleTrapsTheKernel) {
  uint64_t handle = 12345;
  unsigned value = 1;
  void* parameters[] = {&handle, &value};
  CHECK_CU(cuLaunchKernel(function("choose"), 1, 1, 1, 1, 1, 1, 0, stream_, parameters, nullptr));
  EXPECT_EQ(CUDA_ERROR_LAUNCH_FAILED, cuStreamSynchronize(stream_));
}

class DeviceUpdate : public GraphControl {
 protected:
  // A node that adds 1 to `at`, and may be changed from the device.
  CUgraphNode updatable(CUdeviceptr at, std::vector<CUgraphNode> before, uint64_t* handle) {
    CUgraphNode node = kernel_node(graph_, add_, before, at, 1, 1u);
    CUkernelNodeAttrValue value{};
    value.deviceUpdatableKernelNode.deviceUpdatable = 1;
    EXPECT_EQ(CUDA_SUCCESS, cuGraphKernelNodeSetAttribute(node, kUpdatable, &value));
    EXPECT_EQ(CUDA_SUCCESS, cuGraphKernelNodeGetAttribute(node, kUpdatable, &value));
    *handle = reinterpret_cast<uint64_t>(value.deviceUpdatableKernelNode.devNode);
    EXPECT_NE(0u, *handle);
    return node;
  }
  static constexpr auto kUpdatable = CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE;
};

TEST_F(DeviceUpdate, AKernelChangesTheNodeBehindIt) {
  uint64_t target = 0;
  CUgraphNode change = kernel_node(graph_, chain_, {}, memory_ + 16, 0u);
  CUgraphNode node = updatable(memory_, {change}, &target);
  CUgraphExec exec = instantiate();
  CUdeviceptr elsewhere = memory_ + 8;
  void* redirect[] = {&target, &elsewhere};
  CHECK_CU(cuGraphLaunch(exec, stream_));
  CHECK_CU(cuLaunchKernel(function("add_to"), 1, 1, 1, 1, 1, 1, 0, stream_, redirect, nullptr));
  CHECK_CU(cuGraphLaunch(exec, stream_));
  unsigned off = 0;
  void* disable[] = {&target, &off};
  CHECK_CU(cuLaunchKernel(function("toggle"), 1, 1, 1, 1, 1, 1, 0, stream_, disable, nullptr));
  CHECK_CU(cuGraphLaunch(exec, stream_));
  const std::vector<int> got = read();
  EXPECT_EQ(1, got[0]);
  EXPECT_EQ(1, got[2]);
  EXPECT_EQ(CUDA_ERROR_NOT_SUPPORTED, instantiate_again());  // one instance at a time
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuGraphDestroyNode(node));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuGraphKernelNodeCopyAttributes(change, node));
  CUkernelNodeAttrValue none{};
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuGraphKernelNodeSetAttribute(node, kUpdatable, &none));
  CUgraphExecUpdateResultInfo info;
  EXPECT_EQ(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate_v2(exec, graph_, &info));
}

TEST_F(DeviceUpdate, TheAttributeIsForCaptureOnly) {
  CUlaunchAttribute attribute{};
  attribute.id = kUpdatable;
  attribute.value.deviceUpdatableKernelNode.deviceUpdatable = 1;
  CUlaunchConfig config{};
  config.gridDimX = config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = config.blockDimY = config.blockDimZ = 1;
  config.hStream = stream_;
  config.attrs = &attribute;
  config.numAttrs = 1;
  unsigned step = 1;
  void* parameters[] = {&memory_, &step};
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuLaunchKernelEx(&config, chain_, parameters, nullptr));
  CHECK_CU(cuStreamBeginCapture_v2(stream_, CU_STREAM_CAPTURE_MODE_RELAXED));
  EXPECT_EQ(CUDA_SUCCESS, cuLaunchKernelEx(&config, chain_, parameters, nullptr));
  EXPECT_NE(nullptr, attribute.value.deviceUpdatableKernelNode.devNode);
  CUgraph captured = nullptr;
  CHECK_CU(cuStreamEndCapture(stream_, &captured));
  CHECK_CU(cuGraphDestroy(captured));
}

class GraphMemoryNodes : public GraphControl {
 protected:
  static constexpr size_t kBytes = 4 << 20;
  CUgraphNode alloc_node(CUdeviceptr* address, size_t bytes = kBytes) {
    CUDA_MEM_ALLOC_NODE_PARAMS params{};
    params.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    params.poolProps.location = {CU_MEM_LOCATION_TYPE_DEVICE, 0};
    params.bytesize = bytes;
    CUgraphNode node = nullptr;
    EXPECT_EQ(CUDA_SUCCESS, cuGraphAddMemAllocNode(&node, graph_, nullptr, 0, &params));
    *address = params.dptr;
    return node;
  }
  CUresult chain_at(CUdeviceptr at) {
    unsigned step = 1;
    void* parameters[] = {&at, &step};
    return cuLaunchKernel(chain_, 1, 1, 1, 1, 1, 1, 0, stream_, parameters, nullptr);
  }
  uint64_t attribute(CUgraphMem_attribute which) {
    cuuint64_t value = ~0ull;
    EXPECT_EQ(CUDA_SUCCESS, cuDeviceGetGraphMemAttribute(0, which, &value));
    return value;
  }
};

TEST_F(GraphMemoryNodes, MemoryLivesBetweenItsTwoNodes) {
  CUdeviceptr block = 0;
  CUgraphNode alloc = alloc_node(&block);
  CUDA_MEMSET_NODE_PARAMS zero{block, 0, 5, 4, 1, 1};
  CUgraphNode fill = nullptr, use = nullptr, copy = nullptr, free = nullptr;
  CHECK_CU(cuGraphAddMemsetNode(&fill, graph_, &alloc, 1, &zero, context_));
  use = kernel_node(graph_, chain_, {fill}, block, 7u);
  CUDA_MEMCPY3D out{};
  out.srcMemoryType = out.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  out.srcDevice = block, out.dstDevice = memory_;
  out.WidthInBytes = 4, out.Height = out.Depth = 1;
  CHECK_CU(cuGraphAddMemcpyNode(&copy, graph_, &use, 1, &out, context_));
  CHECK_CU(cuGraphAddMemFreeNode(&free, graph_, &copy, 1, block));
  CUgraphNode second = nullptr;
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuGraphAddMemFreeNode(&second, graph_, &copy, 1, block));
  CUgraph clone = nullptr;
  EXPECT_EQ(CUDA_ERROR_NOT_SUPPORTED, cuGraphClone(&clone, graph_));
  EXPECT_EQ(CUDA_ERROR_NOT_SUPPORTED, cuGraphDestroyNode(use));
  EXPECT_EQ(CUDA_ERROR_NOT_SUPPORTED, cuGraphRemoveDependencies(graph_, &use, &copy, 1));
  CUgraphExec exec = instantiate();
  EXPECT_EQ(CUDA_ERROR_NOT_SUPPORTED, instantiate_again());
  size_t before = 0, during = 0, total = 0;
  CHECK_CU(cuMemGetInfo_v2(&before, &total));
  for (int launch = 0; launch < 3; launch++) CHECK_CU(cuGraphLaunch(exec, stream_));
  EXPECT_EQ(5 * 31 + 7, read()[0]);
  CHECK_CU(cuMemGetInfo_v2(&during, &total));
  EXPECT_EQ(kBytes, before - during);
  EXPECT_EQ(kBytes, attribute(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT));
  EXPECT_EQ(0u, attribute(CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT));
  EXPECT_LE(kBytes, attribute(CU_GRAPH_MEM_ATTR_USED_MEM_HIGH));
  CHECK_CU(cuDeviceGraphMemTrim(0));
  EXPECT_EQ(0u, attribute(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT));
  // After its free node the device cannot touch it.
  CHECK_CU(chain_at(block));
  EXPECT_EQ(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(stream_));
}

TEST_F(GraphMemoryNodes, WhatAGraphLeavesMustBeFreedBeforeTheNextLaunch) {
  CUdeviceptr block = 0;
  alloc_node(&block);
  CUgraphExec exec = instantiate();
  CHECK_CU(cuGraphLaunch(exec, stream_));
  CHECK_CU(cuMemsetD32Async(block, 1, 1, stream_));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuGraphLaunch(exec, stream_));
  CHECK_CU(cuMemFreeAsync(block, stream_));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(block, stream_));
  CHECK_CU(cuGraphLaunch(exec, stream_));
  CHECK_CU(cuMemFree_v2(block));
  CHECK_CU(cuGraphExecDestroy(exec));
  CHECK_CU(
      cuGraphInstantiateWithFlags(&exec, graph_, CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH));
  CHECK_CU(cuGraphLaunch(exec, stream_));
  CHECK_CU(cuGraphLaunch(exec, stream_));
  CHECK_CU(cuMemFreeAsync(block, stream_));
  CHECK_CU(cuStreamSynchronize(stream_));
}

TEST_F(GraphMemoryNodes, ALaunchWithoutRoomFails) {
  CUdeviceptr block = 0;
  size_t all = 0;
  CHECK_CU(cuDeviceTotalMem_v2(&all, 0));
  alloc_node(&block, all);  // some of which is taken already
  CUgraphExec exec = instantiate();
  EXPECT_EQ(CUDA_ERROR_OUT_OF_MEMORY, cuGraphLaunch(exec, stream_));
}

TEST_F(GraphMemoryNodes, CaptureMakesThem) {
  CUdeviceptr block = 0;
  CHECK_CU(cuStreamBeginCapture_v2(stream_, CU_STREAM_CAPTURE_MODE_GLOBAL));
  CHECK_CU(cuMemAllocAsync(&block, kBytes, stream_));
  CHECK_CU(cuMemsetD32Async(block, 3, 1, stream_));
  CHECK_CU(cuMemcpyDtoDAsync_v2(memory_, block, 4, stream_));
  CHECK_CU(cuMemFreeAsync(block, stream_));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(memory_, stream_));
  CHECK_CU(cuGraphDestroy(graph_));
  CHECK_CU(cuStreamEndCapture(stream_, &graph_));
  CUgraphExec exec = instantiate();
  const uint64_t before = attribute(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT);
  CHECK_CU(cuGraphLaunch(exec, stream_));
  CHECK_CU(cuGraphLaunch(exec, stream_));
  EXPECT_EQ(3, read()[0]);
  CHECK_CU(cuGraphExecDestroy(exec));
  CHECK_CU(cuGraphDestroy(graph_));
  EXPECT_EQ(before, attribute(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT));  // gone with its graph
}

}  // namespace
}  // namespace exec
