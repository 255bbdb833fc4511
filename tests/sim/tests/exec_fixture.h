// SPDX-License-Identifier: Apache-2.0
// What the tests of the execution side share: a context of its own for every test, so that an error
// that sticks to it ends with it, and a few kernels as PTX text.
#pragma once

#include <cuda.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#define CHECK_CU(call) ASSERT_EQ(CUDA_SUCCESS, (call)) << #call

namespace exec {

// add(int* p, int value, unsigned count): p[i] += value. chain(unsigned* p, unsigned step):
// p[0] = p[0] * 31 + step, by one thread: the result tells the order. `counter` is a variable.
// spin(volatile int* flag): until *flag is not 0.
inline constexpr char kPtx[] = R"(
.version 7.0
.target sm_75
.address_size 64
.visible .global .align 4 .u32 counter = 7;
.visible .entry add(.param .u64 p, .param .u32 value, .param .u32 count)
{
  .reg .pred %p<2>;
  .reg .b32 %r<8>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [p];
  ld.param.u32 %r1, [value];
  ld.param.u32 %r2, [count];
  mov.u32 %r3, %ctaid.x;
  mov.u32 %r4, %ntid.x;
  mov.u32 %r5, %tid.x;
  mad.lo.s32 %r6, %r3, %r4, %r5;
  setp.ge.u32 %p1, %r6, %r2;
  @%p1 bra DONE;
  cvta.to.global.u64 %rd1, %rd1;
  mul.wide.u32 %rd2, %r6, 4;
  add.s64 %rd3, %rd1, %rd2;
  ld.global.u32 %r7, [%rd3];
  add.s32 %r7, %r7, %r1;
  st.global.u32 [%rd3], %r7;
DONE:
  ret;
}
.visible .entry chain(.param .u64 p, .param .u32 step)
{
  .reg .b32 %r<4>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [p];
  ld.param.u32 %r1, [step];
  cvta.to.global.u64 %rd1, %rd1;
  ld.global.u32 %r2, [%rd1];
  mul.lo.u32 %r3, %r2, 31;
  add.u32 %r3, %r3, %r1;
  st.global.u32 [%rd1], %r3;
  ret;
}
.visible .entry spin(.param .u64 flag)
{
  .reg .pred %p<2>;
  .reg .b32 %r<2>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [flag];
  cvta.to.global.u64 %rd1, %rd1;
AGAIN:
  ld.volatile.global.u32 %r1, [%rd1];
  setp.eq.u32 %p1, %r1, 0;
  @%p1 bra AGAIN;
  ret;
}
)";

class Exec : public ::testing::Test {
 protected:
  void SetUp() override {
    CHECK_CU(cuInit(0));
    CHECK_CU(cuCtxCreate_v2(&context_, 0, 0));
    CHECK_CU(cuModuleLoadData(&module_, kPtx));
    CHECK_CU(cuModuleGetFunction(&add_, module_, "add"));
    CHECK_CU(cuModuleGetFunction(&chain_, module_, "chain"));
    CHECK_CU(cuModuleGetFunction(&spin_, module_, "spin"));
    CHECK_CU(cuMemAlloc_v2(&memory_, kCount * sizeof(int)));
    CHECK_CU(cuMemsetD32_v2(memory_, 0, kCount));
    CHECK_CU(cuCtxSynchronize());
    CHECK_CU(cuMemHostAlloc(&pinned_, kCount * sizeof(int), 0));
  }
  // A kernel node of one thread, behind `before`.
  template <class... Values>
  CUgraphNode kernel_node(CUgraph graph, CUfunction function,
                          const std::vector<CUgraphNode>& before, Values... values) {
    void* parameters[] = {&values...};
    CUDA_KERNEL_NODE_PARAMS params{};
    params.func = function;
    params.gridDimX = params.gridDimY = params.gridDimZ = 1;
    params.blockDimX = params.blockDimY = params.blockDimZ = 1;
    params.kernelParams = parameters;
    CUgraphNode node = nullptr;
    EXPECT_EQ(CUDA_SUCCESS,
              cuGraphAddKernelNode_v2(&node, graph, before.data(), before.size(), &params));
    return node;
  }
  void TearDown() override {
    // A poisoned context refuses everything but this.
    if (context_) {
      EXPECT_EQ(CUDA_SUCCESS, cuCtxDestroy_v2(context_));
    }
  }

  CUresult add(CUstream stream, int value, CUdeviceptr at = 0) {
    if (!at) at = memory_;
    unsigned count = kCount;
    void* parameters[] = {&at, &value, &count};
    return cuLaunchKernel(add_, (kCount + 255) / 256, 1, 1, 256, 1, 1, 0, stream, parameters,
                          nullptr);
  }
  CUresult chain(CUstream stream, unsigned step) {
    void* parameters[] = {&memory_, &step};
    return cuLaunchKernel(chain_, 1, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr);
  }
  CUresult spin(CUstream stream, CUdeviceptr flag) {
    void* parameters[] = {&flag};
    return cuLaunchKernel(spin_, 1, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr);
  }
  int* pinned() { return static_cast<int*>(pinned_); }
  CUdeviceptr pinned_address() { return reinterpret_cast<CUdeviceptr>(pinned_); }
  CUstream stream(unsigned flags = CU_STREAM_NON_BLOCKING) {
    CUstream made = nullptr;
    EXPECT_EQ(CUDA_SUCCESS, cuStreamCreate(&made, flags));
    return made;
  }
  CUevent event(unsigned flags = CU_EVENT_DEFAULT) {
    CUevent made = nullptr;
    EXPECT_EQ(CUDA_SUCCESS, cuEventCreate(&made, flags));
    return made;
  }
  // All of memory_, read behind everything.
  std::vector<int> read() {
    std::vector<int> host(kCount);
    EXPECT_EQ(CUDA_SUCCESS, cuCtxSynchronize());
    EXPECT_EQ(CUDA_SUCCESS, cuMemcpyDtoH_v2(host.data(), memory_, kCount * sizeof(int)));
    return host;
  }

  static constexpr unsigned kCount = 1024;
  CUcontext context_ = nullptr;
  CUmodule module_ = nullptr;
  CUfunction add_ = nullptr, chain_ = nullptr, spin_ = nullptr;
  CUdeviceptr memory_ = 0;
  void* pinned_ = nullptr;
};

}  // namespace exec
