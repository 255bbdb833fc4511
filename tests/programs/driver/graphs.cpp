// SPDX-License-Identifier: Apache-2.0
// Graphs under pressure: captured and made by hand, launched again and again, updated.
#include "tests/programs/driver/kernels.h"
#include "tests/programs/driver/story.h"

using namespace story;

namespace {

struct AddNode {
  CUdeviceptr address;
  uint32_t words, stride, value;
  void* arguments[4];
  CUDA_KERNEL_NODE_PARAMS params;

  AddNode(const Buffer& buffer, uint32_t amount)
      : address(buffer.address),
        words(static_cast<uint32_t>(buffer.bytes / 4)),
        stride(kStride),
        value(amount),
        arguments{&address, &words, &stride, &value},
        params(kernel_node(kernel("add"), 128, arguments)) {}
  AddNode(const AddNode&) = delete;
};

CUgraphExec instantiate(CUgraph graph) {
  CUgraphExec exec = nullptr;
  MUST(cuGraphInstantiate(&exec, graph, 0));
  return exec;
}

}  // namespace

// A captured step over three buffers, replayed between other work that pushes them out.
STORY(captured_and_replayed) {
  begin();
  const std::vector<Buffer> buffers = filled(7, 4 * kMiB);
  CUstream stream = nullptr;
  MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  kernel("add");
  MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
  for (size_t i = 0; i < 3; ++i) add(buffers[i], 1, stream);
  CUgraph graph = nullptr;
  MUST(cuStreamEndCapture(stream, &graph));
  const CUgraphExec exec = instantiate(graph);
  // The graph is only a template; the executable one has what it needs.
  MUST(cuGraphDestroy(graph));
  for (uint32_t round = 0; round < 6; ++round) {
    MUST(cuGraphLaunch(exec, stream));
    for (size_t i = 3; i < 7; ++i) add(buffers[i], 1, stream);
  }
  MUST(cuStreamSynchronize(stream));
  for (uint32_t i = 0; i < 7; ++i) expect_pattern(buffers[i], i, 6, kStride);
  MUST(cuGraphExecDestroy(exec));
}

// Copy and set nodes have the kind of memory built in: what they name stays where it is.
STORY(copy_and_set_nodes) {
  const CUcontext context = begin();
  const std::vector<Buffer> buffers = filled(7, 4 * kMiB);
  CUgraph graph = nullptr;
  CUgraphNode set = nullptr, copy = nullptr, run = nullptr;
  MUST(cuGraphCreate(&graph, 0));
  CUDA_MEMSET_NODE_PARAMS fill{};
  fill.dst = buffers[0].address;
  fill.elementSize = 4;
  fill.value = 7;
  fill.width = buffers[0].bytes / 4;
  fill.height = 1;
  MUST(cuGraphAddMemsetNode(&set, graph, nullptr, 0, &fill, context));
  CUDA_MEMCPY3D move{};
  move.srcMemoryType = move.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  move.srcDevice = buffers[0].address;
  move.dstDevice = buffers[1].address;
  move.srcPitch = move.dstPitch = move.WidthInBytes = buffers[0].bytes;
  move.srcHeight = move.dstHeight = move.Height = move.Depth = 1;
  MUST(cuGraphAddMemcpyNode(&copy, graph, &set, 1, &move, context));
  AddNode node(buffers[1], 5);
  MUST(cuGraphAddKernelNode(&run, graph, &copy, 1, &node.params));
  const CUgraphExec exec = instantiate(graph);
  for (uint32_t round = 0; round < 5; ++round) {
    for (size_t i = 2; i < 7; ++i) add(buffers[i], 1);
    MUST(cuGraphLaunch(exec, nullptr));
  }
  MUST(cuCtxSynchronize());
  std::vector<uint32_t> seen(buffers[1].bytes / 4);
  MUST(cuMemcpyDtoH(seen.data(), buffers[1].address, buffers[1].bytes));
  for (size_t i = 0; i < seen.size(); ++i) EXPECT(seen[i] == (i % kStride == 0 ? 12 : 7));
  for (uint32_t i = 2; i < 7; ++i) expect_pattern(buffers[i], i, 5, kStride);
  MUST(cuGraphExecDestroy(exec));
  MUST(cuGraphDestroy(graph));
}

// The executable graph is pointed at other buffers, node by node and as a whole.
STORY(updated_to_other_buffers) {
  begin();
  const std::vector<Buffer> buffers = filled(7, 4 * kMiB);
  CUgraph graph = nullptr;
  CUgraphNode first = nullptr, second = nullptr;
  MUST(cuGraphCreate(&graph, 0));
  AddNode a(buffers[0], 1), b(buffers[1], 1);
  MUST(cuGraphAddKernelNode(&first, graph, nullptr, 0, &a.params));
  MUST(cuGraphAddKernelNode(&second, graph, &first, 1, &b.params));
  const CUgraphExec exec = instantiate(graph);
  MUST(cuGraphLaunch(exec, nullptr));
  for (size_t i = 2; i < 7; ++i) add(buffers[i], 1);

  AddNode c(buffers[2], 10);
  MUST(cuGraphExecKernelNodeSetParams(exec, first, &c.params));
  MUST(cuGraphLaunch(exec, nullptr));  // 2 and 1
  for (size_t i = 3; i < 7; ++i) add(buffers[i], 1);

  CUgraph other = nullptr;
  CUgraphNode third = nullptr, fourth = nullptr;
  MUST(cuGraphCreate(&other, 0));
  AddNode d(buffers[3], 100), e(buffers[4], 100);
  MUST(cuGraphAddKernelNode(&third, other, nullptr, 0, &d.params));
  MUST(cuGraphAddKernelNode(&fourth, other, &third, 1, &e.params));
  CUgraphExecUpdateResultInfo info{};
  MUST(cuGraphExecUpdate(exec, other, &info));
  MUST(cuGraphDestroy(other));
  for (size_t i = 0; i < 3; ++i) add(buffers[i], 1);
  MUST(cuGraphLaunch(exec, nullptr));  // 3 and 4
  MUST(cuCtxSynchronize());
  const uint32_t added[] = {1 + 1, 1 + 1 + 1, 1 + 10 + 1, 1 + 1 + 100, 1 + 1 + 100, 2, 2};
  for (uint32_t i = 0; i < 7; ++i) expect_pattern(buffers[i], i, added[i], kStride);
}

// A graph goes while a launch of it may still run, and so does a buffer it used.
STORY(destroyed_in_flight) {
  begin();
  std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  CUstream stream = nullptr;
  MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  for (uint32_t round = 0; round < 5; ++round) {
    CUgraph graph = nullptr;
    CUgraphNode first = nullptr, second = nullptr;
    MUST(cuGraphCreate(&graph, 0));
    AddNode a(buffers[round % 5], 1), b(buffers[5], 1);
    MUST(cuGraphAddKernelNode(&first, graph, nullptr, 0, &a.params));
    MUST(cuGraphAddKernelNode(&second, graph, nullptr, 0, &b.params));
    const CUgraphExec exec = instantiate(graph);
    MUST(cuGraphLaunch(exec, stream));
    MUST(cuGraphExecDestroy(exec));
    MUST(cuGraphDestroy(graph));
  }
  const Buffer last = buffers[5];
  MUST(cuStreamSynchronize(stream));
  expect_pattern(last, 5, 5, kStride);
  AddNode node(last, 1);
  CUgraph graph = nullptr;
  CUgraphNode only = nullptr;
  MUST(cuGraphCreate(&graph, 0));
  MUST(cuGraphAddKernelNode(&only, graph, nullptr, 0, &node.params));
  const CUgraphExec exec = instantiate(graph);
  MUST(cuGraphLaunch(exec, stream));
  MUST(cuMemFree(last.address));  // waits for its users by itself
  const Buffer fresh = allocate(4 * kMiB);
  write_pattern(fresh, 50);
  MUST(cuStreamSynchronize(stream));
  expect_pattern(fresh, 50);
  MUST(cuGraphExecDestroy(exec));
  for (uint32_t i = 0; i < 5; ++i) expect_pattern(buffers[i], i, 1, kStride);
}
