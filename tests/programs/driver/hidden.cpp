// SPDX-License-Identifier: Apache-2.0
// Addresses that no launch shows: in tables, lists and variables, made on the host and on the
// device. While other buffers press upon memory, kernels follow them.
#include <algorithm>

#include "tests/programs/driver/crowd.h"
#include "tests/programs/driver/kernels.h"

using namespace story;

namespace {

void add_through_table(CUdeviceptr table, uint32_t count, uint32_t value) {
  uint32_t words = 4 * kMiB / 4, stride = kStride;
  void* arguments[] = {&table, &count, &words, &stride, &value};
  launch("add_through_table", arguments);
}

void add_through_list(CUdeviceptr first, uint32_t value) {
  uint32_t words = 4 * kMiB / 4, stride = kStride;
  void* arguments[] = {&first, &words, &stride, &value};
  launch("add_through_list", arguments);
}

}  // namespace

// As batched libraries do it: an array of pointers, uploaded once.
STORY(a_table_made_on_the_host) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const Buffer table = allocate(4096);
  const CUdeviceptr targets[] = {buffers[0].address, buffers[1].address};
  MUST(cuMemcpyHtoD(table.address + 64, targets, sizeof targets));
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    add_through_table(table.address + 64, 2, 10);
  }
  expect(buffers, 30, 30, 3);
}

// The table changes: what it no longer names may go, what it names now may not.
STORY(a_table_that_is_written_again) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const Buffer table = allocate(4096), other = allocate(4096);
  for (uint32_t round = 0; round < 6; ++round) {
    MUST(cuMemcpyHtoD(other.address, &buffers[round % 2].address, sizeof(CUdeviceptr)));
    MUST(cuMemcpyDtoD(table.address, other.address, sizeof(CUdeviceptr)));
    MUST(cuMemsetD8(other.address, 0, 4096));
    press(buffers);
    add_through_table(table.address, 1, 10);
    press(buffers);
  }
  expect(buffers, 30, 30, 12);
}

// Every buffer has been named once, and the holders are gone: nothing is held, everything moves.
STORY(holders_that_are_overwritten_or_freed) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const Buffer table = allocate(4096);
  const Buffer served = allocate(2 * kMiB);
  for (const Buffer& buffer : buffers) {
    MUST(cuMemcpyHtoD(table.address, &buffer.address, sizeof(CUdeviceptr)));
    add_through_table(table.address, 1, 1);
    MUST(cuMemsetD32(table.address, 0, 2));
    const Buffer brief = allocate(4096);
    MUST(cuMemcpyHtoD(brief.address, &buffer.address, sizeof(CUdeviceptr)));
    release(brief);
  }
  MUST(cuMemcpyHtoD(served.address, &buffers[3].address, sizeof(CUdeviceptr)));
  release(served);
  expect_that_all_move(buffers, 1);
  expect(buffers, 2, 2, 2);
}

STORY(a_list_made_on_the_host) {
  begin();
  const std::vector<Buffer> buffers = filled();
  // The first element is in memory of the driver's own, the second in a range of its own.
  const Buffer head = allocate(4096), tail = allocate(2 * kMiB);
  const Element first = {reinterpret_cast<uint32_t*>(buffers[0].address),
                         reinterpret_cast<Element*>(tail.address + kMiB)};
  const Element second = {reinterpret_cast<uint32_t*>(buffers[1].address), nullptr};
  MUST(cuMemcpyHtoD(head.address, &first, sizeof first));
  MUST(cuMemcpyHtoD(tail.address + kMiB, &second, sizeof second));
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    add_through_list(head.address, 10);
  }
  expect(buffers, 30, 30, 3);
}

// A graph uploads the table at each launch, from host memory that has changed meanwhile.
STORY(a_table_that_a_graph_uploads) {
  const CUcontext context = begin();
  const std::vector<Buffer> buffers = filled();
  const Buffer table = allocate(4096);
  CUdeviceptr* host = nullptr;
  MUST(cuMemHostAlloc(reinterpret_cast<void**>(&host), 4096, 0));
  CUgraph graph = nullptr;
  CUgraphNode copy = nullptr;
  MUST(cuGraphCreate(&graph, 0));
  CUDA_MEMCPY3D upload{};
  upload.srcMemoryType = CU_MEMORYTYPE_HOST;
  upload.srcHost = host;
  upload.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  upload.dstDevice = table.address;
  upload.srcPitch = upload.dstPitch = upload.WidthInBytes = sizeof(CUdeviceptr);
  upload.srcHeight = upload.dstHeight = upload.Height = upload.Depth = 1;
  MUST(cuGraphAddMemcpyNode(&copy, graph, nullptr, 0, &upload, context));
  CUgraphExec exec = nullptr;
  MUST(cuGraphInstantiate(&exec, graph, 0));
  for (uint32_t round = 0; round < 4; ++round) {
    *host = buffers[round % 2].address;
    MUST(cuGraphLaunch(exec, nullptr));
    press(buffers);
    add_through_table(table.address, 1, 10);
    MUST(cuCtxSynchronize());
  }
  expect(buffers, 20, 20, 4);
}

namespace {

// Only kernels know these addresses: the one that makes the table or the list names them once.
Many first_two(const std::vector<Buffer>& buffers) {
  Many many{};
  for (; many.count < std::min<size_t>(2, buffers.size()); ++many.count)
    many.out[many.count] = reinterpret_cast<uint32_t*>(buffers[many.count].address);
  return many;
}

void write(const char* writer, const std::vector<Buffer>& buffers, const Buffer& to) {
  Many many = first_two(buffers);
  CUdeviceptr address = to.address;
  void* arguments[] = {&address, &many};
  launch(writer, arguments);
}

void write_table(const std::vector<Buffer>& buffers, const Buffer& to) {
  write("write_table", buffers, to);
}

}  // namespace

STORY(a_table_made_on_the_device) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const Buffer table = allocate(4096);
  write_table(buffers, table);
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    MUST(cuCtxSynchronize());
    add_through_table(table.address, 2, 10);
    MUST(cuCtxSynchronize());
  }
  expect(buffers, 30, 30, 3);
}

STORY(a_list_made_on_the_device) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const Buffer list = allocate(4096);
  write("write_list", buffers, list);
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    MUST(cuCtxSynchronize());
    add_through_list(list.address, 10);
    MUST(cuCtxSynchronize());
  }
  expect(buffers, 30, 30, 3);
}

// A table for each batch, made by a kernel, followed, and gone: as grouped products do it. At the
// end nothing is held any more.
STORY(a_table_for_each_batch) {
  begin();
  const std::vector<Buffer> buffers = filled();
  for (size_t i = 0; i < buffers.size(); ++i) {
    const Buffer table = allocate_async(4096, nullptr);
    write_table({buffers[i], buffers[(i + 3) % buffers.size()]}, table);
    add_through_table(table.address, 2, 1);
    MUST(cuMemFreeAsync(table.address, nullptr));
  }
  MUST(cuCtxSynchronize());
  expect_that_all_move(buffers, 1);
  expect(buffers, 3, 3, 3);
}

// The copy is made before anybody can have seen what the kernel stored.
STORY(a_table_made_on_the_device_and_copied_at_once) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const Buffer table = allocate(4096), other = allocate(2 * kMiB);
  for (uint32_t round = 0; round < 3; ++round) {
    write_table(buffers, table);
    MUST(cuMemcpyDtoDAsync(other.address + kMiB, table.address, 64, nullptr));
    MUST(cuMemsetD8Async(table.address, 0, 4096, nullptr));
    press(buffers);
    add_through_table(other.address + kMiB, 2, 10);
    press(buffers);
  }
  expect(buffers, 30, 30, 6);
  MUST(cuMemsetD8(other.address, 0, other.bytes));
  expect_that_all_move(buffers, 1);
}

// What the table led to before the kernel wrote it again is free to move.
STORY(a_table_that_a_kernel_writes_again) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const Buffer table = allocate(4096), none = allocate(2 * kMiB);
  for (size_t i = 0; i < buffers.size(); ++i) {
    write_table({buffers[i]}, table);
    add_through_table(table.address, 1, 1);
    press(buffers);
  }
  write_table({none}, table);
  MUST(cuCtxSynchronize());
  expect_that_all_move(buffers, 1);
  expect(buffers, 2, 2, 9);
}

STORY(a_table_of_a_thousand_addresses) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const Buffer table = allocate(16384);
  CUdeviceptr to = table.address, even = buffers[0].address, odd = buffers[1].address;
  uint32_t entries = 1000;
  void* arguments[] = {&to, &entries, &even, &odd};
  launch("fill_table", arguments);
  for (uint32_t round = 0; round < 3; ++round) {
    press(buffers);
    add_through_table(table.address + 990 * sizeof(CUdeviceptr), 2, 10);
  }
  expect(buffers, 30, 30, 3);
}

STORY(a_table_that_a_graph_makes) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const Buffer table = allocate(4096);
  CUdeviceptr to = table.address;
  Many many = first_two(buffers);
  void* arguments[] = {&to, &many};
  const CUgraphExec exec = graph_of(kernel_node(kernel("write_table"), 32, arguments));
  for (uint32_t round = 0; round < 4; ++round) {
    MUST(cuGraphLaunch(exec, nullptr));
    press(buffers);
    add_through_table(table.address, 2, 10);
    MUST(cuMemsetD8Async(table.address, 0, 4096, nullptr));
  }
  MUST(cuGraphExecDestroy(exec));
  expect(buffers, 40, 40, 4);
}

STORY(a_variable_that_a_kernel_sets) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const CUmodule module = load_kernels();
  CUdeviceptr variable = 0;
  CUfunction set = nullptr, follow = nullptr;
  MUST(cuModuleGetGlobal(&variable, nullptr, module, "hidden"));
  MUST(cuModuleGetFunction(&set, module, "set_hidden"));
  MUST(cuModuleGetFunction(&follow, module, "add_through_hidden"));
  for (uint32_t round = 0; round < 4; ++round) {
    CUdeviceptr address = buffers[round % 2].address;
    uint32_t words = 4 * kMiB / 4, stride = kStride, value = 10;
    void* setting[] = {&address};
    void* adding[] = {&words, &stride, &value};
    MUST(cuLaunchKernel(set, 1, 1, 1, 32, 1, 1, 0, nullptr, setting, nullptr));
    press(buffers);
    MUST(cuLaunchKernel(follow, 4, 1, 1, 128, 1, 1, 0, nullptr, adding, nullptr));
  }
  expect(buffers, 20, 20, 4);
}

STORY(a_call_after_a_fault) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const Buffer table = allocate(4096);
  write_table(buffers, table);
  press(buffers);
  MUST(cuCtxSynchronize());
  add_through_table(table.address, 2, 10);
  cuCtxSynchronize();
  say("%s", name_of(cuMemsetD8(buffers[0].address, 0, 4096)));
}

// Nobody waits for anybody: buffers move while kernels that are not known to use them run. A launch
// may be refused, and the story says so and ends.
STORY(a_table_made_on_the_device_and_followed_in_haste) {
  begin();
  const std::vector<Buffer> buffers = filled();
  if (try_add(buffers[2], 6) == CUDA_ERROR_OUT_OF_MEMORY) {
    say("refused");
    return;
  }
  const Buffer table = allocate(4096);
  write_table(buffers, table);
  for (uint32_t round = 0; round < 6; ++round) {
    for (size_t i = 3; i < buffers.size(); ++i) add(buffers[i], 1);
    add_through_table(table.address, 2, 10);
    add(buffers[0], 1);
    add(buffers[1], 1);
  }
  expect(buffers, 66, 66, 6);
}

// The graph is older than the buffers that its kernel reaches.
STORY(a_table_that_a_graph_follows_in_haste) {
  begin();
  const Buffer table = allocate(4096);
  CUdeviceptr from = table.address;
  uint32_t count = 2, words = 4 * kMiB / 4, stride = kStride, value = 10;
  void* arguments[] = {&from, &count, &words, &stride, &value};
  const CUgraphExec exec = graph_of(kernel_node(kernel("add_through_table"), 128, arguments));
  const std::vector<Buffer> buffers = filled();
  write_table(buffers, table);
  for (uint32_t round = 0; round < 6; ++round) {
    press(buffers);
    MUST(cuGraphLaunch(exec, nullptr));
    add(buffers[0], 1);
    add(buffers[1], 1);
  }
  MUST(cuGraphExecDestroy(exec));
  expect(buffers, 66, 66, 6);
}
