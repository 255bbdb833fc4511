// SPDX-License-Identifier: Apache-2.0
// What the mapping calls do to work in flight, and what a fault does to its context.
#include <atomic>
#include <thread>

#include "tests/sim/tests/space_support.h"

namespace {

// A created context, so that a sticky error dies with it, and a stream that is held at a gate.
class Flight : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(cuInit(0));
    ASSERT_OK(cuCtxCreate(&context_, nullptr, 0, 0));
    ASSERT_OK(cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING));
    ASSERT_OK(cuLaunchHostFunc(
        stream_,
        [](void* gate) {
          while (!static_cast<std::atomic<bool>*>(gate)->load()) std::this_thread::yield();
        },
        &open_));
  }
  void TearDown() override {
    open_ = true;
    EXPECT_OK(cuCtxDestroy(context_));
  }
  CUdeviceptr mapped(CUmemGenericAllocationHandle* handle) {
    const CUmemAllocationProp prop = memory_on(CU_MEM_LOCATION_TYPE_DEVICE);
    CUdeviceptr address = 0;
    EXPECT_OK(cuMemAddressReserve(&address, kGranule, 0, 0, 0));
    EXPECT_OK(cuMemCreate(handle, kGranule, &prop, 0));
    EXPECT_OK(cuMemMap(address, kGranule, 0, *handle, 0));
    EXPECT_OK(grant(address, kGranule));
    return address;
  }
  CUcontext context_ = nullptr;
  CUstream stream_ = nullptr;
  std::atomic<bool> open_{false};
};

TEST_F(Flight, UnmapUnderQueuedWorkIsFatal) {
  CUmemGenericAllocationHandle handle = 0;
  const CUdeviceptr address = mapped(&handle);
  ASSERT_OK(cuMemsetD8Async(address, 1, kGranule, stream_));
  EXPECT_OK(cuMemUnmap(address, kGranule));  // does not wait
  testing::internal::CaptureStderr();
  open_ = true;
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(stream_));
  EXPECT_NE(testing::internal::GetCapturedStderr().find("CUDA_ERROR_ILLEGAL_ADDRESS"),
            std::string::npos);
  // The error sticks: everything in the context fails with it.
  CUdeviceptr other = 0;
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemAlloc(&other, 64));
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemRelease(handle));
  EXPECT_OK(cuCtxPopCurrent(nullptr));  // VMM memory is the process's, not the context's
  EXPECT_OK(cuMemRelease(handle));
  EXPECT_OK(cuMemAddressFree(address, kGranule));
}

TEST_F(Flight, RemapUnderQueuedWorkIsSeenByIt) {
  CUmemGenericAllocationHandle first = 0;
  CUmemGenericAllocationHandle second = 0;
  const CUdeviceptr address = mapped(&first);
  const CUdeviceptr alias = mapped(&second);
  ASSERT_OK(cuMemsetD8Async(address, 0x5A, kGranule, stream_));
  EXPECT_OK(cuMemUnmap(address, kGranule));
  EXPECT_OK(cuMemMap(address, kGranule, 0, second, 0));
  EXPECT_OK(grant(address, kGranule));
  open_ = true;
  EXPECT_OK(cuStreamSynchronize(stream_));
  EXPECT_EQ(read_back(alias + 100, 1)[0], 0x5A);
  EXPECT_OK(cuMemUnmap(address, kGranule));
  EXPECT_OK(cuMemUnmap(alias, kGranule));
  for (const auto handle : {first, second}) EXPECT_OK(cuMemRelease(handle));
  for (const auto range : {address, alias}) EXPECT_OK(cuMemAddressFree(range, kGranule));
}

TEST_F(Flight, FreeWaitsForQueuedWork) {
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemAlloc(&address, kMiB));
  ASSERT_OK(cuMemsetD8Async(address, 1, kMiB, stream_));
  std::atomic<bool> freed{false};
  std::thread other([&] {
    EXPECT_OK(cuCtxSetCurrent(context_));
    EXPECT_OK(cuMemFree(address));
    freed = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(freed);
  open_ = true;
  other.join();
  EXPECT_TRUE(freed);
  EXPECT_OK(cuStreamSynchronize(stream_));
}

TEST_F(Flight, CaptureForbidsAllocation) {
  open_ = true;
  CUstream capturing = nullptr;
  ASSERT_OK(cuStreamCreate(&capturing, CU_STREAM_NON_BLOCKING));
  ASSERT_OK(cuStreamBeginCapture(capturing, CU_STREAM_CAPTURE_MODE_GLOBAL));
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuMemAlloc(&address, 64));
  CUgraph graph = nullptr;
  EXPECT_CU(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(capturing, &graph));
  ASSERT_OK(cuStreamBeginCapture(capturing, CU_STREAM_CAPTURE_MODE_RELAXED));
  EXPECT_OK(cuMemAlloc(&address, 64));
  EXPECT_OK(cuStreamEndCapture(capturing, &graph));
  EXPECT_OK(cuGraphDestroy(graph));
  EXPECT_OK(cuMemFree(address));
}

}  // namespace
