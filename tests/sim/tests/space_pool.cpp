// SPDX-License-Identifier: Apache-2.0
// Stream-ordered allocation.
#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/sim/tests/space_support.h"

namespace {

class Pools : public InContext {
 protected:
  void SetUp() override {
    InContext::SetUp();
    ASSERT_OK(cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING));
    ASSERT_OK(cuStreamCreate(&other_, CU_STREAM_NON_BLOCKING));
    ASSERT_OK(cuDeviceGetDefaultMemPool(&pool_, 0));
  }
  void TearDown() override {
    EXPECT_OK(cuStreamDestroy(stream_));
    EXPECT_OK(cuStreamDestroy(other_));
    InContext::TearDown();
  }
  uint64_t value(CUmemPool_attribute attribute) const {
    cuuint64_t got = 0;
    EXPECT_OK(cuMemPoolGetAttribute(pool_, attribute, &got));
    return got;
  }
  uint64_t reserved() const { return value(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT); }
  void keep(uint64_t bytes) const {
    EXPECT_OK(cuMemPoolSetAttribute(pool_, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &bytes));
  }
  // Holds a stream until the gate opens.
  static void hold(CUstream stream, std::atomic<bool>* gate) {
    ASSERT_OK(cuLaunchHostFunc(
        stream,
        [](void* open) {
          while (!static_cast<std::atomic<bool>*>(open)->load()) std::this_thread::yield();
        },
        gate));
  }
  CUstream stream_ = nullptr;
  CUstream other_ = nullptr;
  CUmemoryPool pool_ = nullptr;
};

TEST_F(Pools, MemoryGoesBackAtTheNextSynchronisation) {
  const size_t before = free_memory();
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemAllocAsync(&address, 3 * kMiB, stream_));
  EXPECT_EQ(value(CU_MEMPOOL_ATTR_USED_MEM_CURRENT), 3 * kMiB);
  EXPECT_GE(reserved(), 3 * kMiB);
  EXPECT_EQ(before - free_memory(), reserved());
  EXPECT_OK(cuMemFreeAsync(address, stream_));
  EXPECT_EQ(value(CU_MEMPOOL_ATTR_USED_MEM_CURRENT), 0u);
  EXPECT_GE(reserved(), 3 * kMiB);
  EXPECT_OK(cuStreamSynchronize(stream_));
  EXPECT_EQ(reserved(), 0u);
  EXPECT_EQ(free_memory(), before);
}

TEST_F(Pools, ThresholdKeepsIt) {
  keep(UINT64_MAX);
  CUdeviceptr first = 0;
  CUdeviceptr second = 0;
  ASSERT_OK(cuMemAllocAsync(&first, kMiB, stream_));
  EXPECT_OK(cuMemFreeAsync(first, stream_));
  EXPECT_OK(cuStreamSynchronize(stream_));
  EXPECT_GE(reserved(), kMiB);
  ASSERT_OK(cuMemAllocAsync(&second, kMiB, other_));
  EXPECT_EQ(second, first);
  EXPECT_OK(cuMemFreeAsync(second, other_));
  EXPECT_OK(cuStreamSynchronize(other_));
  EXPECT_OK(cuMemPoolTrimTo(pool_, 0));
  EXPECT_EQ(reserved(), 0u);
  keep(0);
}

TEST_F(Pools, SameStreamReusesAtOnceAnotherOnlyAfterTheFree) {
  std::atomic<bool> gate{false};
  hold(stream_, &gate);
  CUdeviceptr first = 0;
  CUdeviceptr mine = 0;
  CUdeviceptr others = 0;
  ASSERT_OK(cuMemAllocAsync(&first, 2 * kMiB, stream_));
  EXPECT_OK(cuMemFreeAsync(first, stream_));
  ASSERT_OK(cuMemAllocAsync(&others, 2 * kMiB, other_));  // the free has not happened
  EXPECT_NE(others, first);
  ASSERT_OK(cuMemAllocAsync(&mine, 2 * kMiB, stream_));
  EXPECT_EQ(mine, first);
  gate = true;
  EXPECT_OK(cuMemFreeAsync(mine, stream_));
  EXPECT_OK(cuMemFreeAsync(others, other_));
  EXPECT_OK(cuCtxSynchronize());
}

// With nothing else left, the request waits in its stream for the other stream's free.
TEST_F(Pools, ScarcityMakesDependencies) {
  std::atomic<bool> gate{false};
  hold(stream_, &gate);
  const size_t most = free_memory() / kGranule * kGranule;
  CUdeviceptr first = 0;
  CUdeviceptr second = 0;
  ASSERT_OK(cuMemAllocAsync(&first, most, stream_));
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocAsync(&second, most, other_));
  EXPECT_OK(cuMemFreeAsync(first, stream_));
  int no = 0;
  EXPECT_OK(cuMemPoolSetAttribute(pool_, CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES, &no));
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocAsync(&second, most, other_));
  int yes = 1;
  EXPECT_OK(cuMemPoolSetAttribute(pool_, CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES, &yes));
  ASSERT_OK(cuMemAllocAsync(&second, most, other_));
  EXPECT_EQ(second, first);
  EXPECT_OK(cuMemsetD8Async(second, 7, 4096, other_));
  EXPECT_CU(CUDA_ERROR_NOT_READY, cuStreamQuery(other_));
  gate = true;
  EXPECT_OK(cuStreamSynchronize(other_));
  EXPECT_EQ(read_back(second, 1)[0], 7);
  EXPECT_OK(cuMemFreeAsync(second, other_));
  EXPECT_OK(cuCtxSynchronize());
}

// A copy that is not ordered before the free.
TEST_F(Pools, UseAfterFreeReadsGarbage) {
  keep(UINT64_MAX);
  std::atomic<bool> gate{false};
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemAllocAsync(&address, 4096, stream_));
  ASSERT_OK(cuMemsetD8Async(address, 0, 4096, stream_));
  EXPECT_OK(cuStreamSynchronize(stream_));
  void* pinned = nullptr;  // a copy to pageable memory would wait here
  ASSERT_OK(cuMemAllocHost(&pinned, 4096));
  const auto* seen = static_cast<unsigned char*>(pinned);
  hold(other_, &gate);
  EXPECT_OK(cuMemcpyDtoHAsync(pinned, address, 4096, other_));
  EXPECT_OK(cuMemFreeAsync(address, stream_));
  EXPECT_OK(cuStreamSynchronize(stream_));
  gate = true;
  EXPECT_OK(cuStreamSynchronize(other_));
  EXPECT_EQ(std::count(seen, seen + 4096, 0), 0);
  // A later call is refused outright: the address means nothing any more.
  unsigned type = 0;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH(pinned, address, 1));
  EXPECT_OK(cuMemFreeHost(pinned));
  keep(0);
  EXPECT_OK(cuStreamSynchronize(stream_));
}

// Its memory leaves with the free, at the next wait: what comes too late faults.
TEST_F(Pools, UseAfterTrimFaults) {
  CUcontext own = nullptr;
  ASSERT_OK(cuCtxCreate(&own, nullptr, 0, 0));
  CUstream late = nullptr;
  ASSERT_OK(cuStreamCreate(&late, CU_STREAM_NON_BLOCKING));
  std::atomic<bool> gate{false};
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemAllocAsync(&address, 4096, late));
  EXPECT_OK(cuStreamSynchronize(late));
  hold(late, &gate);
  ASSERT_OK(cuMemsetD8Async(address, 0, 4096, late));
  EXPECT_OK(cuCtxPopCurrent(nullptr));
  EXPECT_OK(cuMemFreeAsync(address, stream_));
  EXPECT_OK(cuStreamSynchronize(stream_));
  testing::internal::CaptureStderr();
  gate = true;
  EXPECT_OK(cuCtxPushCurrent(own));
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(late));
  testing::internal::GetCapturedStderr();
  EXPECT_OK(cuCtxDestroy(own));
}

// Work that is not ordered after the allocation loses what it wrote.
TEST_F(Pools, UseBeforeTheAllocationIsLost) {
  std::atomic<bool> gate{false};
  hold(stream_, &gate);
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemAllocAsync(&address, 4096, stream_));
  EXPECT_OK(cuMemsetD8Async(address, 0, 4096, other_));
  EXPECT_OK(cuStreamSynchronize(other_));
  gate = true;
  EXPECT_OK(cuStreamSynchronize(stream_));
  const auto seen = read_back(address, 4096);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 0), 0);
  EXPECT_OK(cuMemFreeAsync(address, stream_));
  EXPECT_OK(cuStreamSynchronize(stream_));
}

TEST_F(Pools, BadRequestsAreRefused) {
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAllocAsync(&address, 0, stream_));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAllocAsync(nullptr, 64, stream_));
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocAsync(&address, SIZE_MAX - 5, stream_));
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE,
            cuMemAllocAsync(&address, 64, reinterpret_cast<CUstream>(&address)));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(0x1000, stream_));
  ASSERT_OK(cuMemAllocAsync(&address, 4096, stream_));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(address + 512, stream_));
  EXPECT_OK(cuMemFreeAsync(address, stream_));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(address, stream_));
  ASSERT_OK(cuMemAlloc(&address, 4096));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(address, stream_));
  EXPECT_OK(cuMemFree(address));
}

TEST_F(Pools, SynchronousFreeOfABlock) {
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemAllocAsync(&address, 4096, stream_));
  EXPECT_OK(cuStreamSynchronize(stream_));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFree(address + 512));
  EXPECT_OK(cuMemFree(address));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFree(address));
  EXPECT_OK(cuStreamSynchronize(stream_));
}

// The block is not handed on while its own allocation is still to come in the stream.
TEST_F(Pools, SynchronousFreeBeforeTheAllocationHappened) {
  std::atomic<bool> gate{false};
  hold(stream_, &gate);
  CUdeviceptr address = 0;
  CUdeviceptr next = 0;
  ASSERT_OK(cuMemAllocAsync(&address, 4096, stream_));
  EXPECT_OK(cuMemFree(address));
  EXPECT_OK(cuMemPoolTrimTo(pool_, 0));
  ASSERT_OK(cuMemAllocAsync(&next, 4096, other_));
  EXPECT_NE(next, address);
  gate = true;
  EXPECT_OK(cuMemFreeAsync(next, other_));
  EXPECT_OK(cuCtxSynchronize());
  EXPECT_EQ(reserved(), 0u);
}

TEST_F(Pools, OwnPools) {
  CUmemPoolProps props{};
  props.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  props.location = {CU_MEM_LOCATION_TYPE_DEVICE, 0};
  props.maxSize = 4 * kMiB;
  CUmemoryPool own = nullptr;
  ASSERT_OK(cuMemPoolCreate(&own, &props));
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocFromPoolAsync(&address, 5 * kMiB, own, stream_));
  ASSERT_OK(cuMemAllocFromPoolAsync(&address, kMiB, own, stream_));
  CUmemoryPool of = nullptr;
  EXPECT_OK(cuPointerGetAttribute(&of, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, address));
  EXPECT_EQ(of, own);
  EXPECT_OK(cuDeviceSetMemPool(0, own));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuDeviceSetMemPool(1, own));  // another device's
  EXPECT_OK(cuDeviceGetMemPool(&of, 0));
  EXPECT_EQ(of, own);
  EXPECT_OK(cuMemPoolDestroy(own));  // the block that is out lives on
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemPoolDestroy(own));
  EXPECT_OK(cuDeviceGetMemPool(&of, 0));
  EXPECT_EQ(of, pool_);
  EXPECT_OK(cuMemsetD8Async(address, 3, kMiB, stream_));
  EXPECT_OK(cuMemFreeAsync(address, stream_));
  EXPECT_OK(cuStreamSynchronize(stream_));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemPoolDestroy(pool_));  // a device's default pool
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAllocFromPoolAsync(&address, kMiB, own, stream_));
  props.location = {CU_MEM_LOCATION_TYPE_DEVICE, 4};
  EXPECT_CU(CUDA_ERROR_INVALID_DEVICE, cuMemPoolCreate(&own, &props));
}

TEST_F(Pools, HighWatermarksResetToZeroOnly) {
  uint64_t number = 5;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuMemPoolSetAttribute(pool_, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &number));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuMemPoolSetAttribute(pool_, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &number));
  number = 0;
  EXPECT_OK(cuMemPoolSetAttribute(pool_, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &number));
  EXPECT_EQ(value(CU_MEMPOOL_ATTR_USED_MEM_HIGH), 0u);
}

TEST_F(Pools, OwnDeviceNeverLosesAccess) {
  const CUmemAccessDesc none =
      access_for(CU_MEM_LOCATION_TYPE_DEVICE, CU_MEM_ACCESS_FLAGS_PROT_NONE);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemPoolSetAccess(pool_, &none, 1));
  const CUmemAccessDesc peer =
      access_for(CU_MEM_LOCATION_TYPE_DEVICE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE, 1);
  CUmemAccess_flags flags{};
  CUmemLocation there{CU_MEM_LOCATION_TYPE_DEVICE, 1};
  EXPECT_OK(cuMemPoolGetAccess(&flags, pool_, &there));
  EXPECT_EQ(flags, CU_MEM_ACCESS_FLAGS_PROT_NONE);
  EXPECT_OK(cuMemPoolSetAccess(pool_, &peer, 1));
  EXPECT_OK(cuMemPoolGetAccess(&flags, pool_, &there));
  EXPECT_EQ(flags, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
}

}  // namespace
