// SPDX-License-Identifier: Apache-2.0
// Modules, kernels, and every door of a launch.
#include <cstring>

#include "tests/sim/tests/exec_fixture.h"

namespace exec {
namespace {

using Launch = Exec;
using Module = Exec;

TEST_F(Launch, ParametersAreReadDuringTheCall) {
  CUstream s = stream();
  CHECK_CU(cuStreamWaitValue32_v2(s, pinned_address(), 1, CU_STREAM_WAIT_VALUE_EQ));
  CUdeviceptr at = memory_;
  unsigned step = 5;
  void* parameters[] = {&at, &step};
  CHECK_CU(cuLaunchKernel(chain_, 1, 1, 1, 1, 1, 1, 0, s, parameters, nullptr));
  at = 0, step = 9;
  __atomic_store_n(pinned(), 1, __ATOMIC_RELEASE);
  EXPECT_EQ(5, read()[0]);
}

TEST_F(Launch, ByBufferAndByConfiguration) {
  struct {
    CUdeviceptr at;
    unsigned step;
  } block{memory_, 3};
  size_t bytes = 12;
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &block, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes,
                   CU_LAUNCH_PARAM_END};
  CHECK_CU(cuLaunchKernel(chain_, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, extra));
  CUlaunchConfig config{};
  config.gridDimX = config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = config.blockDimY = config.blockDimZ = 1;
  CHECK_CU(cuLaunchKernelEx(&config, chain_, nullptr, extra));
  EXPECT_EQ(3 * 31 + 3, read()[0]);
  void* parameters[] = {&block.at, &block.step};
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE,
            cuLaunchKernel(chain_, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, extra));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE,
            cuLaunchKernel(chain_, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr));
  bytes = 8;  // short of the second parameter
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE,
            cuLaunchKernel(chain_, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, extra));
}

TEST_F(Launch, ThroughTheCallsOfCuda1) {
  CHECK_CU(cuFuncSetBlockShape(chain_, 1, 1, 1));
  CHECK_CU(cuParamSetv(chain_, 0, &memory_, sizeof memory_));
  CHECK_CU(cuParamSeti(chain_, 8, 6));
  CHECK_CU(cuParamSetSize(chain_, 12));
  CHECK_CU(cuLaunchGrid(chain_, 1, 1));
  EXPECT_EQ(6, read()[0]);
}

TEST_F(Launch, LimitsAreChecked) {
  CUdeviceptr at = memory_;
  unsigned step = 0;
  void* p[] = {&at, &step};
  struct Row {
    unsigned gx, gy, gz, bx, by, bz, shared;
    CUresult answer;
  };
  for (const Row r : {Row{0, 1, 1, 1, 1, 1, 0, CUDA_ERROR_INVALID_VALUE},
                      Row{1, 65536, 1, 1, 1, 1, 0, CUDA_ERROR_INVALID_VALUE},
                      Row{1, 1, 1, 1025, 1, 1, 0, CUDA_ERROR_INVALID_VALUE},
                      Row{1, 1, 1, 1, 1, 65, 0, CUDA_ERROR_INVALID_VALUE},
                      Row{1, 1, 1, 64, 32, 1, 0, CUDA_ERROR_INVALID_VALUE},
                      Row{1, 1, 1, 1, 1, 1, 48 * 1024 + 1, CUDA_ERROR_INVALID_VALUE},
                      Row{1, 1, 1, 1024, 1, 1, 48 * 1024, CUDA_SUCCESS}}) {
    EXPECT_EQ(r.answer, cuLaunchKernel(chain_, r.gx, r.gy, r.gz, r.bx, r.by, r.bz, r.shared,
                                       nullptr, p, nullptr));
  }
  CHECK_CU(cuFuncSetAttribute(chain_, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 64 * 1024));
  CHECK_CU(cuLaunchKernel(chain_, 1, 1, 1, 1, 1, 1, 64 * 1024, nullptr, p, nullptr));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE,
            cuFuncSetAttribute(chain_, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 1 << 20));
  EXPECT_EQ(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
            cuLaunchCooperativeKernel(chain_, 1 << 20, 1, 1, 64, 1, 1, 0, nullptr, p));
  CHECK_CU(cuCtxSynchronize());
}

TEST_F(Module, ParameterLayout) {
  size_t offset = 9, size = 9;
  CHECK_CU(cuFuncGetParamInfo(add_, 0, &offset, &size));
  EXPECT_EQ(0u, offset);
  EXPECT_EQ(8u, size);
  CHECK_CU(cuFuncGetParamInfo(add_, 2, &offset, &size));
  EXPECT_EQ(12u, offset);
  EXPECT_EQ(4u, size);
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuFuncGetParamInfo(add_, 3, &offset, &size));
  const char* name = nullptr;
  CHECK_CU(cuFuncGetName(&name, add_));
  EXPECT_STREQ("add", name);
}

TEST_F(Module, VariablesAreDeviceMemory) {
  CUdeviceptr at = 0;
  size_t bytes = 0;
  CHECK_CU(cuModuleGetGlobal_v2(&at, &bytes, module_, "counter"));
  EXPECT_EQ(4u, bytes);
  int value = 0;
  CHECK_CU(cuMemcpyDtoH_v2(&value, at, 4));
  EXPECT_EQ(7, value);
  EXPECT_EQ(CUDA_ERROR_NOT_FOUND, cuModuleGetGlobal_v2(&at, &bytes, module_, "none"));
}

TEST_F(Module, StaleHandlesAreRefused) {
  CHECK_CU(cuModuleUnload(module_));
  CUfunction function = nullptr;
  size_t offset = 0, size = 0;
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, cuModuleUnload(module_));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, cuModuleGetFunction(&function, module_, "add"));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, cuFuncGetParamInfo(add_, 0, &offset, &size));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, add(nullptr, 1));
}

TEST_F(Module, UnloadedUnderQueuedWorkStillRuns) {
  CUstream s = stream();
  CHECK_CU(cuStreamWaitValue32_v2(s, pinned_address(), 1, CU_STREAM_WAIT_VALUE_EQ));
  CHECK_CU(add(s, 4));
  CHECK_CU(cuModuleUnload(module_));
  __atomic_store_n(pinned(), 1, __ATOMIC_RELEASE);
  EXPECT_EQ(4, read()[100]);
}

TEST_F(Module, AKernelIsAcceptedWhereAFunctionIs) {
  CUlibrary library = nullptr;
  CHECK_CU(cuLibraryLoadData(&library, kPtx, nullptr, nullptr, 0, nullptr, nullptr, 0));
  CUkernel kernel = nullptr;
  CHECK_CU(cuLibraryGetKernel(&kernel, library, "chain"));
  unsigned step = 8;
  void* parameters[] = {&memory_, &step};
  CHECK_CU(cuLaunchKernel(reinterpret_cast<CUfunction>(kernel), 1, 1, 1, 1, 1, 1, 0, nullptr,
                          parameters, nullptr));
  EXPECT_EQ(8, read()[0]);
  CUfunction function = nullptr;
  CHECK_CU(cuKernelGetFunction(&function, kernel));
  size_t offset = 0, size = 0;
  CHECK_CU(cuKernelGetParamInfo(kernel, 1, &offset, &size));
  EXPECT_EQ(8u, offset);
  unsigned count = 0;
  CHECK_CU(cuLibraryGetKernelCount(&count, library));
  EXPECT_EQ(3u, count);
  CUlibrary owner = nullptr;
  CHECK_CU(cuKernelGetLibrary(&owner, kernel));
  EXPECT_EQ(library, owner);
  EXPECT_EQ(CUDA_ERROR_NOT_FOUND, cuLibraryGetKernel(&kernel, library, "none"));
  CHECK_CU(cuLibraryUnload(library));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, cuLibraryUnload(library));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE,
            cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr));
}

TEST_F(Module, WhatIsNoImageIsRefused) {
  CUmodule module = nullptr;
  EXPECT_EQ(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&module, ""));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuModuleLoadData(&module, nullptr));
  EXPECT_EQ(CUDA_ERROR_FILE_NOT_FOUND, cuModuleLoad(&module, "/nowhere/at/all.ptx"));
  EXPECT_NE(CUDA_SUCCESS, cuModuleLoadData(&module, "this is not code"));
}

TEST_F(Module, Occupancy) {
  int blocks = 0, grid = 0, block = 0;
  CHECK_CU(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add_, 256, 0));
  EXPECT_EQ(8, blocks);  // 2048 threads
  CHECK_CU(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add_, 32, 0));
  EXPECT_EQ(32, blocks);
  CHECK_CU(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add_, 256, 47 << 10));
  EXPECT_EQ(4, blocks);  // 228 KiB of shared memory
  CHECK_CU(cuOccupancyMaxPotentialBlockSize(&grid, &block, add_, nullptr, 0, 0));
  EXPECT_GT(block, 0);
  EXPECT_EQ(0, grid % 132);
}

}  // namespace
}  // namespace exec
