// SPDX-License-Identifier: Apache-2.0
// Tensor maps: opaque descriptors in which an address is, passed by value, in device memory and in
// a constant. Their kernels know no other way to the memory.
#include "driver_tensor_maps_ptx.h"
#include "tests/programs/driver/crowd.h"
#include "tests/programs/driver/kernels.h"

using namespace story;

namespace {

CUmodule module_of_maps() {
  static const CUmodule module = [] {
    CUmodule loaded = nullptr;
    MUST(cuModuleLoadData(&loaded, driver_tensor_maps_ptx));
    return loaded;
  }();
  return module;
}

void launch_over_map(const char* name, void** arguments) {
  CUfunction function = nullptr;
  MUST(cuModuleGetFunction(&function, module_of_maps(), name));
  MUST(cuLaunchKernel(function, 4, 1, 1, 64, 1, 1, 0, nullptr, arguments, nullptr));
}

// The buffer as 1024 by 1024 numbers.
CUtensorMap map_of(const Buffer& buffer) {
  CUtensorMap map{};
  const cuuint64_t dims[] = {1024, 1024}, strides[] = {4096};
  const cuuint32_t box[] = {32, 8}, steps[] = {1, 1};
  MUST(cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_UINT32, 2,
                              reinterpret_cast<void*>(buffer.address), dims, strides, box, steps,
                              CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE,
                              CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  return map;
}

void add_by_argument(const CUtensorMap& map, uint32_t value) {
  CUtensorMap copy = map;
  void* arguments[] = {&copy, &value};
  launch_over_map("add_by_argument", arguments);
}

void add_by_address(CUdeviceptr map, uint32_t value) {
  void* arguments[] = {&map, &value};
  launch_over_map("add_by_address", arguments);
}

// What is in the first two; the others have patterns.
void tell(const std::vector<Buffer>& buffers, uint32_t others) {
  for (uint32_t i = 0; i < 2; ++i) {
    std::vector<uint32_t> data(buffers[i].bytes / 4);
    MUST(cuMemcpyDtoH(data.data(), buffers[i].address, buffers[i].bytes));
    uint64_t hash = 14695981039346656037u;
    for (const uint32_t word : data) hash = (hash ^ word) * 1099511628211u;
    say("buffer %u: %016lx", i, hash);
  }
  for (uint32_t i = 2; i < buffers.size(); ++i) expect_pattern(buffers[i], i, others, kStride);
}

}  // namespace

STORY(passed_by_value) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const CUtensorMap first = map_of(buffers[0]);
  CUtensorMap other = first;
  MUST(cuTensorMapReplaceAddress(&other, reinterpret_cast<void*>(buffers[1].address)));
  for (uint32_t round = 1; round <= 3; ++round) {
    press(buffers);
    add_by_argument(first, round);
    press(buffers);
    add_by_argument(other, 10 * round);
  }
  tell(buffers, 6);
}

// The second replaces the first, half way.
STORY(copied_to_device_memory) {
  begin();
  const std::vector<Buffer> buffers = filled();
  const Buffer maps = allocate(4096);
  for (uint32_t which = 0; which < 2; ++which) {
    const CUtensorMap map = map_of(buffers[which]);
    MUST(cuMemcpyHtoD(maps.address + 128, &map, sizeof map));
    for (uint32_t round = 1; round <= 3; ++round) {
      press(buffers);
      add_by_address(maps.address + 128, round);
    }
  }
  MUST(cuMemsetD8(maps.address, 0, maps.bytes));
  tell(buffers, 6);
  expect_that_all_move(buffers, 1);
}

STORY(copied_to_a_constant) {
  begin();
  const std::vector<Buffer> buffers = filled();
  CUdeviceptr constant = 0;
  size_t bytes = 0;
  MUST(cuModuleGetGlobal(&constant, &bytes, module_of_maps(), "constant_map"));
  for (uint32_t which = 0; which < 2; ++which) {
    const CUtensorMap map = map_of(buffers[which]);
    MUST(cuMemcpyHtoD(constant, &map, sizeof map));
    for (uint32_t round = 1; round <= 3; ++round) {
      press(buffers);
      void* arguments[] = {&round};
      launch_over_map("add_by_constant", arguments);
    }
  }
  MUST(cuCtxSynchronize());
  MUST(cuModuleUnload(module_of_maps()));
  tell(buffers, 6);
  expect_that_all_move(buffers, 1);
}

STORY(in_a_graph) {
  begin();
  const std::vector<Buffer> buffers = filled();
  CUfunction function = nullptr;
  MUST(cuModuleGetFunction(&function, module_of_maps(), "add_by_argument"));
  CUtensorMap map = map_of(buffers[0]);
  uint32_t value = 5;
  void* arguments[] = {&map, &value};
  const CUgraphExec exec = graph_of(kernel_node(function, 64, arguments));
  for (uint32_t round = 1; round <= 3; ++round) {
    press(buffers);
    MUST(cuGraphLaunch(exec, nullptr));
  }
  MUST(cuGraphExecDestroy(exec));
  tell(buffers, 3);
}
