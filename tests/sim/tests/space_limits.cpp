// SPDX-License-Identifier: Apache-2.0
// Memory that runs out elsewhere: page-locked host memory, and what the driver takes for itself.
#include <vector>

#include "tests/sim/tests/space_support.h"

namespace {

using EnvPinned = InContext;  // 8 MiB

TEST_F(EnvPinned, AllKindsOfPinnedMemoryShareTheLimit) {
  void *first = nullptr, *second = nullptr;
  ASSERT_OK(cuMemAllocHost(&first, 4 * kMiB));
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemHostAlloc(&second, 5 * kMiB, 0));
  const CUmemAllocationProp prop = memory_on(CU_MEM_LOCATION_TYPE_HOST_NUMA);
  CUmemGenericAllocationHandle handle = 0, too_many = 0;
  ASSERT_OK(cuMemCreate(&handle, kGranule, &prop, 0));
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemCreate(&too_many, 2 * kGranule, &prop, 0));
  std::vector<char> own(4 * kMiB);
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemHostRegister(own.data(), own.size(), 0));
  EXPECT_OK(cuMemFreeHost(first));
  EXPECT_OK(cuMemHostRegister(own.data(), own.size(), 0));
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocHost(&second, 4 * kMiB));
  EXPECT_OK(cuMemHostUnregister(own.data()));
  EXPECT_OK(cuMemRelease(handle));
  EXPECT_OK(cuMemAllocHost(&second, 8 * kMiB));
  EXPECT_OK(cuMemFreeHost(second));
  CUdeviceptr managed = 0;
  EXPECT_OK(cuMemAllocManaged(&managed, 16 * kMiB, CU_MEM_ATTACH_GLOBAL));  // is not page-locked
  EXPECT_OK(cuMemFree(managed));
}

constexpr char kPtx[] = R"(
.version 7.0
.target sm_75
.address_size 64
.visible .entry small() { ret; }
.visible .entry other() { ret; }
.visible .entry large()
{
  .local .align 8 .b8 room[512];
  .reg .b64 %rd<2>;
  mov.u64 %rd1, room;
  st.local.u64 [%rd1], %rd1;
  ret;
}
)";

constexpr size_t kLazy = 8 * kMiB;

class EnvLazy : public InContext {
 protected:
  void SetUp() override {
    InContext::SetUp();
    ASSERT_OK(cuModuleLoadData(&module_, kPtx));
  }
  CUfunction function(const char* name) {
    CUfunction found = nullptr;
    EXPECT_OK(cuModuleGetFunction(&found, module_, name));
    return found;
  }
  CUresult launch(const char* name) {
    return cuLaunchKernel(function(name), 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr);
  }
  CUmodule module_ = nullptr;
};

TEST_F(EnvLazy, AContextAndEachKernelsFirstUseTakeMemory) {
  const size_t before = free_memory();
  CUcontext second = nullptr;
  ASSERT_OK(cuCtxCreate(&second, nullptr, 0, 0));
  EXPECT_EQ(before - kLazy, free_memory());
  ASSERT_OK(cuCtxDestroy(second));
  ASSERT_OK(cuCtxSetCurrent(context_));
  EXPECT_EQ(before, free_memory());
  CUfunctionLoadingState state;
  EXPECT_OK(cuFuncIsLoaded(&state, function("small")));
  EXPECT_EQ(CU_FUNCTION_LOADING_STATE_UNLOADED, state);
  EXPECT_OK(cuFuncLoad(function("small")));
  EXPECT_OK(cuFuncIsLoaded(&state, function("small")));
  EXPECT_EQ(CU_FUNCTION_LOADING_STATE_LOADED, state);
  EXPECT_EQ(before - kLazy, free_memory());
  EXPECT_OK(launch("small"));  // the first one brings the printf buffer and the heap
  const size_t heaps = before - kLazy - free_memory();
  EXPECT_LT(0u, heaps);
  EXPECT_OK(launch("small"));
  EXPECT_EQ(before - kLazy - heaps, free_memory());
  EXPECT_OK(launch("large"));  // local memory for every thread that may be resident
  EXPECT_LE(free_memory(), before - 2 * kLazy - heaps - 132 * 2048 * 512);
  EXPECT_OK(cuCtxSynchronize());
  EXPECT_OK(cuModuleUnload(module_));
}

TEST_F(EnvLazy, AFirstLaunchOnAFullDeviceFailsAndLaterWorks) {
  EXPECT_OK(launch("small"));
  EXPECT_OK(cuCtxSynchronize());
  CUdeviceptr most = 0, rest = 0;
  ASSERT_OK(cuMemAlloc(&most, free_memory() - kLazy));
  ASSERT_OK(cuMemAlloc(&rest, kLazy - kMiB));
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, launch("other"));
  CUgraph graph = nullptr;
  CUgraphNode node = nullptr;
  EXPECT_OK(cuGraphCreate(&graph, 0));
  CUDA_KERNEL_NODE_PARAMS params{};
  params.func = function("other");
  params.gridDimX = params.gridDimY = params.gridDimZ = 1;
  params.blockDimX = params.blockDimY = params.blockDimZ = 1;
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuGraphAddKernelNode(&node, graph, nullptr, 0, &params));
  EXPECT_OK(cuGraphDestroy(graph));
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuFuncLoad(function("other")));
  CUcontext second = nullptr;
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuCtxCreate(&second, nullptr, 0, 0));
  EXPECT_OK(launch("small"));  // what is loaded runs
  EXPECT_OK(cuMemFree(rest));
  EXPECT_OK(launch("other"));
  EXPECT_OK(cuCtxSynchronize());
  EXPECT_OK(cuMemFree(most));
  EXPECT_OK(cuModuleUnload(module_));
}

}  // namespace
