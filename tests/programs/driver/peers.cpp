// SPDX-License-Identifier: Apache-2.0
// Stories about two devices in one process.
#include <barrier>
#include <thread>

#include "tests/programs/driver/story.h"

using namespace story;

namespace {

struct Place {
  CUcontext context = nullptr;
  CUfunction copy_words = nullptr;
  std::vector<Buffer> buffers;
};

// A device's primary context, current, with buffers of 4 MiB that are filled.
Place settle_on(int ordinal, int buffers) {
  Place place;
  CUdevice device = 0;
  MUST(cuInit(0));
  MUST(cuDeviceGet(&device, ordinal));
  MUST(cuDevicePrimaryCtxRetain(&place.context, device));
  MUST(cuCtxSetCurrent(place.context));
  MUST(cuModuleGetFunction(&place.copy_words, load_kernels(), "copy_words"));
  for (int i = 0; i < buffers; i++) {
    place.buffers.push_back(allocate(4 * kMiB));
    write_pattern(place.buffers.back(), static_cast<uint32_t>(100 * ordinal + i));
  }
  return place;
}

// Every word of `from` to `to`, by a kernel of the current context.
void copy_by_kernel(const Place& place, const Buffer& to, const Buffer& from) {
  CUdeviceptr out = to.address, in = from.address;
  uint32_t words = static_cast<uint32_t>(to.bytes / 4), stride = 1;
  void* arguments[] = {&out, &in, &words, &stride};
  MUST(cuLaunchKernel(place.copy_words, 4, 1, 1, 256, 1, 1, 0, nullptr, arguments, nullptr));
}

// Once all work of the current context is over.
void expect_sevens(const Place& place) {
  MUST(cuCtxSynchronize());
  std::vector<uint32_t> seen(place.buffers[0].bytes / 4);
  for (const Buffer& buffer : place.buffers) {
    MUST(cuMemcpyDtoH(seen.data(), buffer.address, buffer.bytes));
    for (const uint32_t word : seen) EXPECT(word == 7);
  }
}

}  // namespace

STORY(each_scans_its_own) {
  const Place places[] = {settle_on(0, 5), settle_on(1, 5)};
  for (int round = 0; round < 3; round++)
    for (const Place& place : places) {
      MUST(cuCtxSetCurrent(place.context));
      for (size_t i = 0; i + 1 < place.buffers.size(); i++)
        copy_by_kernel(place, place.buffers[i + 1], place.buffers[i]);
    }
  for (int ordinal = 0; ordinal < 2; ordinal++) {
    MUST(cuCtxSetCurrent(places[ordinal].context));
    for (const Buffer& buffer : places[ordinal].buffers)
      expect_pattern(buffer, static_cast<uint32_t>(100 * ordinal));
  }
}

STORY(copies_between_devices) {
  const Place first = settle_on(0, 5), second = settle_on(1, 5);
  for (size_t i = 0; i < 5; i++) {
    const CUdeviceptr from = first.buffers[i].address, to = second.buffers[i].address;
    if (i % 2)
      MUST(cuMemcpyPeer(to, second.context, from, first.context, 4 * kMiB));
    else
      MUST(cuMemcpyDtoD(to, from, 4 * kMiB));
  }
  for (size_t i = 0; i < 5; i++) expect_pattern(second.buffers[i], static_cast<uint32_t>(i));
  MUST(cuCtxSetCurrent(first.context));
  for (size_t i = 0; i < 5; i++) expect_pattern(first.buffers[i], static_cast<uint32_t>(i));
}

STORY(a_kernel_reads_the_other_devices_memory) {
  const Place first = settle_on(0, 5), second = settle_on(1, 5);
  MUST(cuCtxEnablePeerAccess(first.context, 0));
  for (size_t i = 0; i < 5; i++) copy_by_kernel(second, second.buffers[i], first.buffers[i]);
  for (size_t i = 0; i < 5; i++) expect_pattern(second.buffers[i], static_cast<uint32_t>(i));
}

// The second device allocates nothing: what it runs is all that is seen of it.
STORY(a_device_without_memory_of_its_own) {
  const Place second = settle_on(1, 0), first = settle_on(0, 5);
  MUST(cuCtxSetCurrent(second.context));
  MUST(cuCtxEnablePeerAccess(first.context, 0));
  for (size_t i = 0; i + 1 < 5; i++) copy_by_kernel(second, first.buffers[i + 1], first.buffers[i]);
  MUST(cuCtxSynchronize());
  MUST(cuCtxSetCurrent(first.context));
  for (size_t i = 0; i < 5; i++) expect_pattern(first.buffers[i], 0);
}

// All its threads begin at once, each with a buffer of the first device.
STORY(threads_that_arrive_on_a_device_together) {
  constexpr size_t kThreads = 8;
  const Place first = settle_on(0, kThreads), second = settle_on(1, 0);
  MUST(cuCtxEnablePeerAccess(first.context, 0));
  std::barrier start(kThreads);
  std::vector<std::thread> threads;
  for (const Buffer& buffer : first.buffers) {
    threads.emplace_back([&] {
      MUST(cuCtxSetCurrent(second.context));
      start.arrive_and_wait();
      MUST(cuMemsetD32(buffer.address, 7, buffer.bytes / 4));
    });
  }
  for (std::thread& thread : threads) thread.join();
  expect_sevens(first);
}

// Nor does it run anything before it is given a graph.
STORY(a_graph_of_a_device_without_memory_of_its_own) {
  const Place first = settle_on(0, 5), second = settle_on(1, 0);
  MUST(cuCtxEnablePeerAccess(first.context, 0));
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  MUST(cuGraphCreate(&graph, 0));
  for (const Buffer& buffer : first.buffers) {
    CUgraphNode set = nullptr;
    const CUDA_MEMSET_NODE_PARAMS fill{buffer.address, 0, 7, 4, buffer.bytes / 4, 1};
    MUST(cuGraphAddMemsetNode(&set, graph, nullptr, 0, &fill, second.context));
  }
  MUST(cuGraphInstantiate(&exec, graph, 0));
  MUST(cuGraphLaunch(exec, nullptr));
  expect_sevens(first);
}

// What it needs on one device is no reason to take more from the other one.
STORY(a_graph_over_both_that_needs_memory) {
  const Place second = settle_on(1, 2), first = settle_on(0, 3);
  MUST(cuCtxEnablePeerAccess(second.context, 0));
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  MUST(cuGraphCreate(&graph, 0));
  for (size_t i = 0; i < 2; i++) {
    CUdeviceptr out = first.buffers[i].address, in = second.buffers[i].address;
    uint32_t words = 4 * kMiB / 4, stride = 1;
    void* arguments[] = {&out, &in, &words, &stride};
    const CUDA_KERNEL_NODE_PARAMS node = kernel_node(first.copy_words, 256, arguments);
    CUgraphNode made = nullptr;
    MUST(cuGraphAddKernelNode(&made, graph, nullptr, 0, &node));
  }
  CUDA_MEM_ALLOC_NODE_PARAMS memory{};
  memory.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  memory.poolProps.location = {CU_MEM_LOCATION_TYPE_DEVICE, {0}};
  memory.bytesize = 4 * kMiB;
  CUgraphNode made = nullptr, gone = nullptr;
  MUST(cuGraphAddMemAllocNode(&made, graph, nullptr, 0, &memory));
  MUST(cuGraphAddMemFreeNode(&gone, graph, &made, 1, memory.dptr));
  MUST(cuGraphInstantiate(&exec, graph, 0));
  MUST(cuGraphLaunch(exec, nullptr));
  MUST(cuCtxSynchronize());
  for (uint32_t i = 0; i < 3; i++) expect_pattern(first.buffers[i], i < 2 ? 100 + i : i);
}
