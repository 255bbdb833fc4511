// SPDX-License-Identifier: Apache-2.0
// Graphs: captured and built by hand, launched, changed, cloned.
#include "cudart_support.h"

__device__ int step_size = 1;

namespace {

constexpr int kCount = 1024;

__global__ void add(int* values, int amount) {
  values[blockIdx.x * blockDim.x + threadIdx.x] += amount * step_size;
}
__global__ void add_from(int* to, const int* from) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  to[i] += from[i];
}

void launch(cudaGraph_t graph, int times = 1) {
  cudaGraphExec_t exec;
  OK(cudaGraphInstantiate(&exec, graph, 0));
  for (int i = 0; i < times; ++i) OK(cudaGraphLaunch(exec, nullptr));
  OK(cudaDeviceSynchronize());
  OK(cudaGraphExecDestroy(exec));
}

cudaKernelNodeParams add_node(int** values, int* amount, void** arguments) {
  arguments[0] = values;
  arguments[1] = amount;
  cudaKernelNodeParams params{};
  params.func = reinterpret_cast<void*>(add);
  params.gridDim = dim3(kCount / 128);
  params.blockDim = dim3(128);
  params.kernelParams = arguments;
  return params;
}

TEST(Graphs, CaptureRecordsAndDoesNotRun) {
  cudaStream_t stream;
  OK(cudaStreamCreate(&stream));
  Buffer<int> values(std::vector<int>(kCount, 0));
  cudaStreamCaptureStatus status;
  cudaGraph_t graph;
  OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  OK(cudaStreamIsCapturing(stream, &status));
  EXPECT_EQ(cudaStreamCaptureStatusActive, status);
  add<<<kCount / 128, 128, 0, stream>>>(values, 3);
  add<<<kCount / 128, 128, 0, stream>>>(values, 4);
  OK(cudaStreamEndCapture(stream, &graph));
  OK(cudaDeviceSynchronize());
  EXPECT_EQ(std::vector<int>(kCount, 0), values.host());
  size_t nodes = 0, edges = 0;
  OK(cudaGraphGetNodes(graph, nullptr, &nodes));
  OK(cudaGraphGetEdges(graph, nullptr, nullptr, nullptr, &edges));
  EXPECT_EQ(2u, nodes);
  EXPECT_EQ(1u, edges);
  launch(graph, 5);
  EXPECT_EQ(std::vector<int>(kCount, 35), values.host());
  OK(cudaGraphDestroy(graph));
  OK(cudaStreamDestroy(stream));
}

TEST(Graphs, CaptureFollowsEventsIntoOtherStreams) {
  cudaStream_t main, side;
  cudaEvent_t fork, join;
  OK(cudaStreamCreate(&main));
  OK(cudaStreamCreate(&side));
  OK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
  OK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
  Buffer<int> a(std::vector<int>(kCount, 0)), b(std::vector<int>(kCount, 0));
  OK(cudaStreamBeginCapture(main, cudaStreamCaptureModeGlobal));
  OK(cudaEventRecord(fork, main));
  OK(cudaStreamWaitEvent(side, fork));
  add<<<kCount / 128, 128, 0, main>>>(a, 1);
  add<<<kCount / 128, 128, 0, side>>>(b, 10);
  OK(cudaEventRecord(join, side));
  OK(cudaStreamWaitEvent(main, join));
  add_from<<<kCount / 128, 128, 0, main>>>(a, b);
  cudaGraph_t graph;
  OK(cudaStreamEndCapture(main, &graph));
  launch(graph, 2);
  EXPECT_EQ(std::vector<int>(kCount, 1 + 10 + 1 + 20), a.host());
  OK(cudaGraphDestroy(graph));
  OK(cudaEventDestroy(fork));
  OK(cudaEventDestroy(join));
  OK(cudaStreamDestroy(main));
  OK(cudaStreamDestroy(side));
}

TEST(Graphs, ForbiddenInCapture) {
  cudaStream_t stream;
  cudaGraph_t graph = nullptr;
  OK(cudaStreamCreate(&stream));
  OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  FAILS(cudaErrorStreamCaptureUnsupported, cudaStreamSynchronize(stream));
  FAILS(cudaErrorStreamCaptureInvalidated, cudaStreamEndCapture(stream, &graph));
  EXPECT_EQ(nullptr, graph);
  OK(cudaStreamDestroy(stream));
}

TEST(Graphs, NodesAddedByHand) {
  Buffer<int> a(kCount), b(kCount);
  std::vector<int> source = counting(kCount), back(kCount);
  int *data = a, amount = 5;
  void* arguments[2];
  const cudaKernelNodeParams kernel = add_node(&data, &amount, arguments);
  cudaMemsetParams fill{};
  fill.dst = b;
  fill.value = 0x01010101;
  fill.elementSize = 4;
  fill.width = kCount;
  fill.height = 1;
  struct Told {
    int times = 0;
  } told;
  cudaHostNodeParams host{};
  host.fn = [](void* data) { ++static_cast<Told*>(data)->times; };
  host.userData = &told;

  cudaGraph_t graph;
  cudaGraphNode_t in, set, run, out, tell, joint;
  OK(cudaGraphCreate(&graph, 0));
  OK(cudaGraphAddMemcpyNode1D(&in, graph, nullptr, 0, a, source.data(), a.bytes(),
                              cudaMemcpyHostToDevice));
  OK(cudaGraphAddMemsetNode(&set, graph, nullptr, 0, &fill));
  OK(cudaGraphAddKernelNode(&run, graph, &in, 1, &kernel));
  OK(cudaGraphAddMemcpyNode1D(&out, graph, &run, 1, back.data(), a, a.bytes(),
                              cudaMemcpyDeviceToHost));
  const cudaGraphNode_t both[] = {set, out};
  OK(cudaGraphAddEmptyNode(&joint, graph, both, 2));
  OK(cudaGraphAddHostNode(&tell, graph, &joint, 1, &host));
  launch(graph, 3);
  EXPECT_EQ(counting(kCount, 5), back);
  EXPECT_EQ(std::vector<int>(kCount, 0x01010101), b.host());
  EXPECT_EQ(3, told.times);

  cudaGraphNodeType type;
  OK(cudaGraphNodeGetType(run, &type));
  EXPECT_EQ(cudaGraphNodeTypeKernel, type);
  cudaKernelNodeParams read{};
  OK(cudaGraphKernelNodeGetParams(run, &read));
  EXPECT_EQ(reinterpret_cast<void*>(add), read.func);
  EXPECT_EQ(128u, read.blockDim.x);
  EXPECT_EQ(5, *static_cast<int*>(read.kernelParams[1]));
  cudaMemcpy3DParms copy{};
  OK(cudaGraphMemcpyNodeGetParams(in, &copy));
  EXPECT_EQ(cudaMemcpyHostToDevice, copy.kind);
  EXPECT_EQ(a, copy.dstPtr.ptr);
  EXPECT_EQ(a.bytes(), copy.extent.width);
  OK(cudaGraphDestroy(graph));
}

TEST(Graphs, NodesOfAnyKindThroughOneStruct) {
  Buffer<int> a(kCount);
  std::vector<int> back(kCount);
  int *data = a, amount = 2;
  void* arguments[] = {&data, &amount};
  cudaGraphNodeParams fill{}, kernel{}, copy{};
  fill.type = cudaGraphNodeTypeMemset;
  fill.memset = {a, 0, 5, sizeof(int), kCount, 1};
  kernel.type = cudaGraphNodeTypeKernel;
  kernel.kernel.func = reinterpret_cast<void*>(add);
  kernel.kernel.gridDim = dim3(kCount / 128);
  kernel.kernel.blockDim = dim3(128);
  kernel.kernel.kernelParams = arguments;
  copy.type = cudaGraphNodeTypeMemcpy;
  copy.memcpy.copyParams.srcPtr = make_cudaPitchedPtr(a, a.bytes(), a.bytes(), 1);
  copy.memcpy.copyParams.dstPtr = make_cudaPitchedPtr(back.data(), a.bytes(), a.bytes(), 1);
  copy.memcpy.copyParams.extent = make_cudaExtent(a.bytes(), 1, 1);
  copy.memcpy.copyParams.kind = cudaMemcpyDeviceToHost;

  cudaGraph_t graph;
  cudaGraphNode_t set, run, out;
  cudaGraphExec_t exec;
  OK(cudaGraphCreate(&graph, 0));
  OK(cudaGraphAddNode(&set, graph, nullptr, nullptr, 0, &fill));
  OK(cudaGraphAddNode(&run, graph, &set, nullptr, 1, &kernel));
  OK(cudaGraphAddNode(&out, graph, &run, nullptr, 1, &copy));
  OK(cudaGraphInstantiate(&exec, graph, 0));
  OK(cudaGraphLaunch(exec, nullptr));
  OK(cudaDeviceSynchronize());
  EXPECT_EQ(std::vector<int>(kCount, 7), back);
  amount = 20;
  OK(cudaGraphExecNodeSetParams(exec, run, &kernel));
  OK(cudaGraphLaunch(exec, nullptr));
  OK(cudaDeviceSynchronize());
  EXPECT_EQ(std::vector<int>(kCount, 25), back);
  OK(cudaGraphExecDestroy(exec));
  OK(cudaGraphDestroy(graph));
}

TEST(Graphs, AnExecutableTakesNewParameters) {
  Buffer<int> a(std::vector<int>(kCount, 0)), b(std::vector<int>(kCount, 0));
  int *data = a, amount = 1;
  void* arguments[2];
  cudaKernelNodeParams kernel = add_node(&data, &amount, arguments);
  cudaGraph_t graph;
  cudaGraphNode_t node;
  cudaGraphExec_t exec;
  OK(cudaGraphCreate(&graph, 0));
  OK(cudaGraphAddKernelNode(&node, graph, nullptr, 0, &kernel));
  OK(cudaGraphInstantiate(&exec, graph, 0));
  OK(cudaGraphLaunch(exec, nullptr));
  data = b;
  amount = 50;
  OK(cudaGraphExecKernelNodeSetParams(exec, node, &kernel));
  OK(cudaGraphLaunch(exec, nullptr));
  OK(cudaDeviceSynchronize());
  EXPECT_EQ(std::vector<int>(kCount, 1), a.host());
  EXPECT_EQ(std::vector<int>(kCount, 50), b.host());

  amount = 7;
  OK(cudaGraphKernelNodeSetParams(node, &kernel));
  cudaGraphExecUpdateResultInfo result{};
  OK(cudaGraphExecUpdate(exec, graph, &result));
  EXPECT_EQ(cudaGraphExecUpdateSuccess, result.result);
  OK(cudaGraphLaunch(exec, nullptr));
  OK(cudaDeviceSynchronize());
  EXPECT_EQ(std::vector<int>(kCount, 57), b.host());

  cudaGraphNode_t more;
  OK(cudaGraphAddEmptyNode(&more, graph, &node, 1));
  FAILS(cudaErrorGraphExecUpdateFailure, cudaGraphExecUpdate(exec, graph, &result));
  EXPECT_NE(cudaGraphExecUpdateSuccess, result.result);
  OK(cudaGraphExecDestroy(exec));
  OK(cudaGraphDestroy(graph));
}

TEST(Graphs, GraphsInGraphsAndClones) {
  Buffer<int> a(std::vector<int>(kCount, 0));
  int *data = a, amount = 2;
  void* arguments[2];
  const cudaKernelNodeParams kernel = add_node(&data, &amount, arguments);
  cudaGraph_t child, parent, clone;
  cudaGraphNode_t node, first, second, cloned;
  OK(cudaGraphCreate(&child, 0));
  OK(cudaGraphAddKernelNode(&node, child, nullptr, 0, &kernel));
  OK(cudaGraphCreate(&parent, 0));
  OK(cudaGraphAddChildGraphNode(&first, parent, nullptr, 0, child));
  OK(cudaGraphAddChildGraphNode(&second, parent, &first, 1, child));
  launch(parent);
  EXPECT_EQ(std::vector<int>(kCount, 4), a.host());
  OK(cudaGraphClone(&clone, parent));
  OK(cudaGraphNodeFindInClone(&cloned, second, clone));
  OK(cudaGraphDestroy(parent));
  OK(cudaGraphDestroy(child));
  launch(clone);
  EXPECT_EQ(std::vector<int>(kCount, 8), a.host());
  OK(cudaGraphDestroy(clone));
}

TEST(Graphs, CopiesToAndFromSymbols) {
  int six = 6, seen = 0;
  Buffer<int> a(std::vector<int>(kCount, 0));
  int *data = a, amount = 1;
  void* arguments[2];
  const cudaKernelNodeParams kernel = add_node(&data, &amount, arguments);
  cudaGraph_t graph;
  cudaGraphNode_t in, run, out;
  OK(cudaGraphCreate(&graph, 0));
  OK(cudaGraphAddMemcpyNodeToSymbol(&in, graph, nullptr, 0, step_size, &six, sizeof six, 0,
                                    cudaMemcpyHostToDevice));
  OK(cudaGraphAddKernelNode(&run, graph, &in, 1, &kernel));
  OK(cudaGraphAddMemcpyNodeFromSymbol(&out, graph, &run, 1, &seen, step_size, sizeof seen, 0,
                                      cudaMemcpyDeviceToHost));
  launch(graph);
  EXPECT_EQ(std::vector<int>(kCount, 6), a.host());
  EXPECT_EQ(6, seen);
  OK(cudaGraphDestroy(graph));
  const int one = 1;
  OK(cudaMemcpyToSymbol(step_size, &one, sizeof one));
}

TEST(Graphs, AllocationsInCapture) {
  cudaStream_t stream;
  OK(cudaStreamCreate(&stream));
  Buffer<int> out(std::vector<int>(kCount, 0));
  cudaGraph_t graph;
  int* temporary = nullptr;
  OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  const cudaError_t allocated = cudaMallocAsync(&temporary, out.bytes(), stream);
  if (allocated == cudaErrorNotSupported) {
    cudaStreamEndCapture(stream, &graph);
    cudaGetLastError();
    GTEST_SKIP() << "this driver has no memory nodes";
  }
  ASSERT_EQ(cudaSuccess, allocated);
  OK(cudaMemsetAsync(temporary, 0, out.bytes(), stream));
  add<<<kCount / 128, 128, 0, stream>>>(temporary, 9);
  add_from<<<kCount / 128, 128, 0, stream>>>(out, temporary);
  OK(cudaFreeAsync(temporary, stream));
  OK(cudaStreamEndCapture(stream, &graph));
  launch(graph, 4);
  EXPECT_EQ(std::vector<int>(kCount, 36), out.host());
  OK(cudaGraphDestroy(graph));
  OK(cudaStreamDestroy(stream));
}

TEST(Graphs, ADestroyedGraphReleasesItsObjects) {
  static int released;
  released = 0;
  cudaGraph_t graph;
  cudaUserObject_t object;
  OK(cudaGraphCreate(&graph, 0));
  OK(cudaUserObjectCreate(
      &object, &released, [](void* count) { ++*static_cast<int*>(count); }, 1,
      cudaUserObjectNoDestructorSync));
  OK(cudaGraphRetainUserObject(graph, object, 1, cudaGraphUserObjectMove));
  EXPECT_EQ(0, released);
  OK(cudaGraphDestroy(graph));
  for (int i = 0; released == 0 && i < 1000; ++i) OK(cudaDeviceSynchronize());
  EXPECT_EQ(1, released);
}

}  // namespace
