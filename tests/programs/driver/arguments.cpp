// SPDX-License-Identifier: Apache-2.0
// Addresses inside arguments: deep in a struct that is passed by value, packed, or in one buffer
// with everything else (`extra`); in launches and in the kernel nodes of graphs.
#include <cstring>

#include "tests/programs/driver/crowd.h"
#include "tests/programs/driver/kernels.h"

using namespace story;

namespace {

uint32_t* data(const Buffer& buffer) {
  return reinterpret_cast<uint32_t*>(buffer.address);
}

constexpr uint32_t kWords = 4 * kMiB / 4;

Deep deep(const std::vector<Buffer>& buffers, uint32_t value) {
  Deep made{};
  made.words = kWords;
  made.stride = kStride;
  made.value = value;
  made.operands[2].storage[1].data = data(buffers[0]);
  made.operands[1].storage[0].data = data(buffers[1]);
  return made;
}

Packed packed(const std::vector<Buffer>& buffers, uint32_t value) {
  return {{{kWords, data(buffers[0]), value}, {kWords, data(buffers[1]), value}}};
}

Large large(const Buffer& buffer, uint32_t value) {
  Large made{};
  made.words = kWords;
  made.stride = kStride;
  made.value = value;
  made.last = data(buffer);
  return made;
}

// `extra`: where the arguments are and how many bytes.
struct Extra {
  size_t bytes;
  void* list[5];
  Extra(void* buffer, size_t size)
      : bytes(size),
        list{CU_LAUNCH_PARAM_BUFFER_POINTER, buffer, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes,
             CU_LAUNCH_PARAM_END} {}
  Extra(const Extra&) = delete;
};

void launch_extra(const char* name, void* buffer, size_t bytes) {
  Extra extra(buffer, bytes);
  MUST(cuLaunchKernel(kernel(name), 4, 1, 1, 128, 1, 1, 0, nullptr, nullptr, extra.list));
}

CUDA_KERNEL_NODE_PARAMS node_of(const char* name, Extra& extra) {
  return kernel_node(kernel(name), 128, nullptr, extra.list);
}

}  // namespace

STORY(deep_in_a_struct) {
  begin();
  const std::vector<Buffer> buffers = filled();
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    Deep argument = deep(buffers, 10);
    void* arguments[] = {&argument};
    launch("add_deep", arguments);
  }
  expect(buffers, 30, 30, 3);
}

// Two numbers side by side that spell the address of another buffer are no use of it, and taking
// them for one does no harm.
STORY(numbers_that_look_like_an_address) {
  begin();
  const std::vector<Buffer> buffers = filled();
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    Deep argument = deep(buffers, 10);
    std::memcpy(&argument.numbers[1], &buffers[2 + round].address, 8);
    void* arguments[] = {&argument};
    launch("add_deep", arguments);
  }
  expect(buffers, 30, 30, 3);
}

STORY(behind_four_kilobytes_of_arguments) {
  begin();
  const std::vector<Buffer> buffers = filled();
  for (uint32_t round = 0; round < 4; ++round) {
    press(buffers);
    Large argument = large(buffers[round % 2], 10);
    void* arguments[] = {&argument};
    launch("add_large", arguments);
  }
  expect(buffers, 20, 20, 4);
}

STORY(an_array_of_packed_structs) {
  begin();
  const std::vector<Buffer> buffers = filled();
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    Packed argument = packed(buffers, 10);
    uint32_t stride = kStride;
    void* arguments[] = {&argument, &stride};
    launch("add_packed", arguments);
  }
  expect(buffers, 30, 30, 3);
}

STORY(in_an_extra_buffer) {
  begin();
  const std::vector<Buffer> buffers = filled();
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    Deep aligned = deep(buffers, 10);
    launch_extra("add_deep", &aligned, sizeof aligned);
    press(buffers);
    struct {
      Packed packed;
      uint32_t stride;
    } arguments{packed(buffers, 1), kStride};
    launch_extra("add_packed", &arguments, sizeof arguments);
    press(buffers);
    Large most = large(buffers[0], 100);
    launch_extra("add_large", &most, sizeof most);
  }
  expect(buffers, 333, 33, 9);
}

STORY(packed_to_bytes) {
  begin();
  const std::vector<Buffer> buffers = filled();
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    PackedBytes argument{7, data(buffers[0]), kWords, kStride, 10};
    void* arguments[] = {&argument};
    launch("add_packed_bytes", arguments);
    press(buffers);
    argument.data = data(buffers[1]);
    launch_extra("add_packed_bytes", &argument, sizeof argument);
  }
  expect(buffers, 30, 30, 6);
}

// The graph keeps its own copy of the arguments; an update brings others.
STORY(in_the_extra_buffer_of_a_graph_node) {
  begin();
  const std::vector<Buffer> buffers = filled();
  CUgraph graph = nullptr;
  MUST(cuGraphCreate(&graph, 0));
  Deep first = deep(buffers, 10);
  Extra extra(&first, sizeof first);
  CUDA_KERNEL_NODE_PARAMS params = node_of("add_deep", extra);
  CUgraphNode node = nullptr;
  MUST(cuGraphAddKernelNode(&node, graph, nullptr, 0, &params));
  first = {};
  CUgraphExec exec = nullptr;
  MUST(cuGraphInstantiate(&exec, graph, 0));
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    MUST(cuGraphLaunch(exec, nullptr));
  }
  // From here on it adds to the third buffer where it added to the second.
  Deep second = deep(buffers, 10);
  second.operands[1].storage[0].data = data(buffers[2]);
  Extra others(&second, sizeof second);
  params = node_of("add_deep", others);
  MUST(cuGraphExecKernelNodeSetParams(exec, node, &params));
  second = {};
  for (uint32_t round = 0; round < 3; ++round) {
    for (size_t i = 3; i < buffers.size(); ++i) add(buffers[i], 1);
    MUST(cuGraphLaunch(exec, nullptr));
  }
  MUST(cuGraphExecDestroy(exec));
  MUST(cuGraphDestroy(graph));
  expect_pattern(buffers[0], 0, 60, kStride);
  expect_pattern(buffers[1], 1, 30, kStride);
  expect_pattern(buffers[2], 2, 33, kStride);
  for (uint32_t i = 3; i < buffers.size(); ++i) expect_pattern(buffers[i], i, 6, kStride);
}
