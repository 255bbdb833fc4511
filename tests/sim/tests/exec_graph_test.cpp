// SPDX-License-Identifier: Apache-2.0
// Graphs built by hand: structure, execution, update, life.
#include "tests/sim/tests/exec_fixture.h"

namespace exec {
namespace {

class Graph : public Exec {
 protected:
  void SetUp() override {
    Exec::SetUp();
    CHECK_CU(cuGraphCreate(&graph_, 0));
  }
  CUgraphNode chain_node(unsigned step, std::vector<CUgraphNode> before = {}) {
    return kernel_node(graph_, chain_, before, memory_, step);
  }
  CUgraphExec instantiate() {
    CUgraphExec exec = nullptr;
    EXPECT_EQ(CUDA_SUCCESS, cuGraphInstantiateWithFlags(&exec, graph_, 0));
    return exec;
  }
  CUgraph graph_ = nullptr;
};

unsigned run_on(unsigned value, std::initializer_list<unsigned> steps) {
  for (const unsigned step : steps) value = value * 31 + step;
  return value;
}

TEST_F(Graph, RunsInDependencyOrderAndInStreamOrder) {
  CUgraphNode a = chain_node(1), b = chain_node(2, {a});
  chain_node(3, {b});
  CUgraphExec exec = instantiate();
  CUstream s = stream();
  CHECK_CU(chain(s, 9));
  CHECK_CU(cuGraphLaunch(exec, s));
  CHECK_CU(chain(s, 8));
  CHECK_CU(cuGraphLaunch(exec, s));
  CHECK_CU(cuGraphExecDestroy(exec));  // while it may still run
  EXPECT_EQ(run_on(0, {9, 1, 2, 3, 8, 1, 2, 3}), static_cast<unsigned>(read()[0]));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuGraphLaunch(exec, s));
}

TEST_F(Graph, IndependentNodesRunInEitherOrder) {
  chain_node(1);
  chain_node(2);
  CUgraphExec exec = instantiate();
  CUstream s = stream();
  bool first = false, second = false;
  for (int round = 0; round < 400 && !(first && second); round++) {
    CHECK_CU(cuMemsetD32Async(memory_, 0, 1, s));
    CHECK_CU(cuGraphLaunch(exec, s));
    (static_cast<unsigned>(read()[0]) == run_on(0, {1, 2}) ? first : second) = true;
  }
  EXPECT_TRUE(first && second);
}

TEST_F(Graph, AnExecNeverOverlapsItself) {
  CUgraphNode last = nullptr;
  for (unsigned i = 0; i < 16; i++) {
    last = chain_node(i, last ? std::vector{last} : std::vector<CUgraphNode>{});
  }
  CUgraphExec exec = instantiate();
  std::vector<CUstream> streams{stream(), stream(), stream()};
  unsigned expected = 0;
  for (int round = 0; round < 30; round++) {
    CHECK_CU(cuGraphLaunch(exec, streams[round % 3]));
    for (unsigned i = 0; i < 16; i++) expected = expected * 31 + i;
  }
  EXPECT_EQ(expected, static_cast<unsigned>(read()[0]));
}

TEST_F(Graph, ParametersAreCopiedAndCanBeRead) {
  CUgraphNode node = chain_node(5);
  CUDA_KERNEL_NODE_PARAMS params{};
  CHECK_CU(cuGraphKernelNodeGetParams_v2(node, &params));
  EXPECT_EQ(chain_, params.func);
  ASSERT_NE(nullptr, params.kernelParams);
  EXPECT_EQ(memory_, *static_cast<CUdeviceptr*>(params.kernelParams[0]));
  EXPECT_EQ(5u, *static_cast<unsigned*>(params.kernelParams[1]));
}

TEST_F(Graph, ChangesOfAnExecConcernLaterLaunches) {
  CUgraphNode node = chain_node(5);
  CUgraphExec exec = instantiate();
  CUstream s = stream();
  CHECK_CU(cuGraphLaunch(exec, s));
  unsigned step = 6;
  void* parameters[] = {&memory_, &step};
  CUDA_KERNEL_NODE_PARAMS params{};
  CHECK_CU(cuGraphKernelNodeGetParams_v2(node, &params));
  params.kernelParams = parameters;
  CHECK_CU(cuGraphExecKernelNodeSetParams_v2(exec, node, &params));
  CHECK_CU(cuGraphLaunch(exec, s));
  CHECK_CU(cuGraphNodeSetEnabled(exec, node, 0));
  CHECK_CU(cuGraphLaunch(exec, s));
  EXPECT_EQ(run_on(0, {5, 6}), static_cast<unsigned>(read()[0]));
  unsigned enabled = 1;
  CHECK_CU(cuGraphNodeGetEnabled(exec, node, &enabled));
  EXPECT_EQ(0u, enabled);
}

TEST_F(Graph, WholeUpdate) {
  CUgraphNode a = chain_node(1);
  chain_node(2, {a});
  CUgraphExec exec = instantiate();
  CUgraph first = graph_;
  CHECK_CU(cuGraphCreate(&graph_, 0));
  CUgraphNode c = chain_node(3);
  CUgraphNode d = chain_node(4, {c});
  CUgraphExecUpdateResultInfo info;
  CHECK_CU(cuGraphExecUpdate_v2(exec, graph_, &info));
  CHECK_CU(cuGraphLaunch(exec, nullptr));
  EXPECT_EQ(run_on(0, {3, 4}), static_cast<unsigned>(read()[0]));
  CHECK_CU(cuGraphRemoveDependencies(graph_, &c, &d, 1));
  EXPECT_EQ(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate_v2(exec, graph_, &info));
  EXPECT_EQ(CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, info.result);
  CHECK_CU(cuGraphDestroy(first));
}

TEST_F(Graph, ChildEventAndMemoryNodes) {
  CUgraph child = nullptr, outer = graph_;
  CHECK_CU(cuGraphCreate(&child, 0));
  graph_ = child;
  CUgraphNode inner = chain_node(2);
  chain_node(3, {inner});
  graph_ = outer;
  CUgraphNode first = chain_node(1), middle = nullptr, record = nullptr, copy = nullptr,
              set = nullptr;
  CUevent e = event();
  CHECK_CU(cuGraphAddChildGraphNode(&middle, graph_, &first, 1, child));
  CHECK_CU(cuGraphAddEventRecordNode(&record, graph_, &middle, 1, e));
  CUDA_MEMCPY3D params{};
  params.srcMemoryType = CU_MEMORYTYPE_DEVICE, params.srcDevice = memory_;
  params.dstMemoryType = CU_MEMORYTYPE_HOST, params.dstHost = pinned();
  params.WidthInBytes = 4, params.Height = 1, params.Depth = 1;
  CHECK_CU(cuGraphAddMemcpyNode(&copy, graph_, &record, 1, &params, context_));
  const CUDA_MEMSET_NODE_PARAMS fill{memory_ + 8, 0, 0xab, 1, 4, 1};
  CHECK_CU(cuGraphAddMemsetNode(&set, graph_, &copy, 1, &fill, context_));
  CUgraphExec exec = instantiate();
  CHECK_CU(cuGraphLaunch(exec, nullptr));
  CHECK_CU(cuEventSynchronize(e));
  CHECK_CU(cuCtxSynchronize());
  EXPECT_EQ(run_on(0, {1, 2, 3}), static_cast<unsigned>(pinned()[0]));
  EXPECT_EQ(static_cast<int>(0xabababab), read()[2]);
}

TEST_F(Graph, StructureQueries) {
  CUgraphNode a = chain_node(1), b = chain_node(2, {a}), c = chain_node(3, {a, b});
  size_t count = 0;
  CHECK_CU(cuGraphGetRootNodes(graph_, nullptr, &count));
  EXPECT_EQ(1u, count);
  CHECK_CU(cuGraphNodeGetDependentNodes(a, nullptr, &count));
  EXPECT_EQ(2u, count);
  CUgraphNode found[4];
  count = 4;
  CHECK_CU(cuGraphNodeGetDependencies(c, found, &count));
  EXPECT_EQ(2u, count);
  EXPECT_EQ(nullptr, found[2]);
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuGraphAddDependencies(graph_, &a, &b, 1));  // there already
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuGraphRemoveDependencies(graph_, &b, &a, 1));
  CHECK_CU(cuGraphAddDependencies(graph_, &c, &a, 1));  // a cycle
  CUgraphExec exec = nullptr;
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuGraphInstantiateWithFlags(&exec, graph_, 0));
  CHECK_CU(cuGraphRemoveDependencies(graph_, &c, &a, 1));
  CUgraph clone = nullptr;
  CUgraphNode twin = nullptr;
  CHECK_CU(cuGraphClone(&clone, graph_));
  CHECK_CU(cuGraphNodeFindInClone(&twin, b, clone));
  EXPECT_NE(b, twin);
  CHECK_CU(cuGraphDestroyNode(b));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuGraphDestroyNode(b));
  CHECK_CU(cuGraphNodeGetDependencies(c, nullptr, &count));
  EXPECT_EQ(1u, count);
  CHECK_CU(cuGraphGetNodes(clone, nullptr, &count));
  EXPECT_EQ(3u, count);
}

TEST_F(Graph, UserObjectsLiveAsLongAsTheirLastReference) {
  int destroyed = 0;
  CUuserObject object = nullptr;
  CHECK_CU(cuUserObjectCreate(
      &object, &destroyed, [](void* p) { ++*static_cast<int*>(p); }, 1,
      CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
  CHECK_CU(cuGraphRetainUserObject(graph_, object, 1, CU_GRAPH_USER_OBJECT_MOVE));
  EXPECT_EQ(0, destroyed);
  CHECK_CU(cuGraphDestroy(graph_));
  EXPECT_EQ(1, destroyed);
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuUserObjectRelease(object, 1));
}

}  // namespace
}  // namespace exec
