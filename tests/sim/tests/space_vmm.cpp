// SPDX-License-Identifier: Apache-2.0
// Virtual memory management: every rule is shown by breaking it.
#include <fcntl.h>
#include <sys/mman.h>

#include <thread>

#include "tests/sim/tests/space_support.h"

namespace {

// A reservation of four granules and one handle of one granule.
class Vmm : public InContext {
 protected:
  static constexpr size_t kReserved = 4 * kGranule;

  void SetUp() override {
    InContext::SetUp();
    ASSERT_OK(cuMemAddressReserve(&base_, kReserved, 0, 0, 0));
    handle_ = create(kGranule);
  }
  void TearDown() override {
    EXPECT_OK(cuMemRelease(handle_));
    EXPECT_OK(cuMemAddressFree(base_, kReserved));
    InContext::TearDown();
  }
  static CUmemGenericAllocationHandle create(size_t bytes,
                                             CUmemLocationType type = CU_MEM_LOCATION_TYPE_DEVICE) {
    const CUmemAllocationProp prop = memory_on(type);
    CUmemGenericAllocationHandle handle = 0;
    EXPECT_OK(cuMemCreate(&handle, bytes, &prop, 0));
    return handle;
  }
  void map_first() {
    ASSERT_OK(cuMemMap(base_, kGranule, 0, handle_, 0));
    ASSERT_OK(grant(base_, kGranule));
  }
  CUdeviceptr base_ = 0;
  CUmemGenericAllocationHandle handle_ = 0;
};

TEST_F(Vmm, ReservationsAreAlignedAndExact) {
  EXPECT_EQ(base_ % kGranule, 0u);
  CUdeviceptr other = 0;
  ASSERT_OK(cuMemAddressReserve(&other, kGranule, 64 * kMiB, 0, 0));
  EXPECT_EQ(other % (64 * kMiB), 0u);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAddressFree(other, 2 * kGranule));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAddressFree(other + kGranule, kGranule));
  EXPECT_OK(cuMemAddressFree(other, kGranule));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAddressFree(other, kGranule));
  CUdeviceptr again = 0;
  EXPECT_OK(cuMemAddressReserve(&again, kGranule, 0, other, 0));  // the hint is free: taken
  EXPECT_EQ(again, other);
  CUdeviceptr elsewhere = 0;
  EXPECT_OK(cuMemAddressReserve(&elsewhere, kGranule, 0, other, 0));  // now it is not
  EXPECT_NE(elsewhere, other);
  EXPECT_OK(cuMemAddressFree(again, kGranule));
  EXPECT_OK(cuMemAddressFree(elsewhere, kGranule));
}

TEST_F(Vmm, BadReservationsAreRefused) {
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAddressReserve(&address, 0, 0, 0, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAddressReserve(&address, 1000, 0, 0, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAddressReserve(&address, kGranule, 3, 0, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAddressReserve(&address, kGranule, 0, 0, 1));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAddressReserve(nullptr, kGranule, 0, 0, 0));
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemAddressReserve(&address, 1ull << 46, 0, 0, 0));
}

TEST_F(Vmm, CreateIsChargedStrictly) {
  const size_t before = free_memory();
  const auto handle = create(3 * kGranule);
  EXPECT_EQ(before - free_memory(), 3 * kGranule);
  EXPECT_OK(cuMemRelease(handle));
  EXPECT_EQ(free_memory(), before);
  CUmemAllocationProp prop = memory_on(CU_MEM_LOCATION_TYPE_DEVICE);
  CUmemGenericAllocationHandle more = 0;
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemCreate(&more, 1024 * kGranule, &prop, 0));
  prop.location.id = 1;  // the other device's own memory
  ASSERT_OK(cuMemCreate(&more, kGranule, &prop, 0));
  EXPECT_EQ(free_memory(), before);
  EXPECT_OK(cuMemRelease(more));
}

TEST_F(Vmm, BadCreationsAreRefused) {
  CUmemGenericAllocationHandle handle = 0;
  const auto expect = [&](CUresult result, const CUmemAllocationProp& prop, size_t bytes = kGranule,
                          unsigned long long flags = 0) {
    EXPECT_CU(result, cuMemCreate(&handle, bytes, &prop, flags));
  };
  CUmemAllocationProp good = memory_on(CU_MEM_LOCATION_TYPE_DEVICE);
  expect(CUDA_ERROR_INVALID_VALUE, good, 0);
  expect(CUDA_ERROR_INVALID_VALUE, good, kGranule + 4096);
  expect(CUDA_ERROR_INVALID_VALUE, good, kGranule, 1);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemCreate(nullptr, kGranule, &good, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemCreate(&handle, kGranule, nullptr, 0));
  expect(CUDA_ERROR_INVALID_DEVICE, memory_on(CU_MEM_LOCATION_TYPE_DEVICE, 2));
  expect(CUDA_ERROR_INVALID_VALUE, memory_on(CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT));
  expect(CUDA_ERROR_INVALID_VALUE, memory_on(CU_MEM_LOCATION_TYPE_HOST_NUMA, -1));
  CUmemAllocationProp exported = memory_on(CU_MEM_LOCATION_TYPE_HOST);
  exported.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  expect(CUDA_ERROR_INVALID_VALUE, exported);
  good.type = CU_MEM_ALLOCATION_TYPE_INVALID;
  expect(CUDA_ERROR_INVALID_VALUE, good);
}

TEST_F(Vmm, BadMappingsAreRefused) {
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemMap(base_, kGranule, kGranule, handle_, 0));  // offset
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemMap(base_, kGranule / 2, 0, handle_, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemMap(base_, 2 * kGranule, 0, handle_, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemMap(base_ + 4096, kGranule, 0, handle_, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemMap(base_, kGranule, 0, handle_, 1));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemMap(base_, kGranule, 0, 4711, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemMap(base_ + kReserved, kGranule, 0, handle_, 0));
  const auto two = create(2 * kGranule);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemMap(base_, kGranule, 0, two, 0));  // a part of it
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuMemMap(base_ + kReserved - kGranule, 2 * kGranule, 0, two, 0));
  ASSERT_OK(cuMemMap(base_ + kGranule, kGranule, 0, handle_, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemMap(base_ + kGranule, kGranule, 0, handle_, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemMap(base_, 2 * kGranule, 0, two, 0));  // overlaps
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAddressFree(base_, kReserved));        // still mapped
  EXPECT_OK(cuMemUnmap(base_ + kGranule, kGranule));
  EXPECT_OK(cuMemRelease(two));
}

TEST_F(Vmm, NoAccessBeforeItIsSet) {
  ASSERT_OK(cuMemMap(base_, kGranule, 0, handle_, 0));
  char byte = 1;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(base_, &byte, 1));
  ASSERT_OK(grant(base_, kGranule, CU_MEM_ACCESS_FLAGS_PROT_READ));
  EXPECT_OK(cuMemcpyDtoH(&byte, base_, 1));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(base_, &byte, 1));
  ASSERT_OK(grant(base_, kGranule));
  put(base_, byte);
  unsigned long long flags = 9;
  const CUmemLocation here{CU_MEM_LOCATION_TYPE_DEVICE, 0};
  const CUmemLocation there{CU_MEM_LOCATION_TYPE_DEVICE, 1};
  EXPECT_OK(cuMemGetAccess(&flags, &here, base_ + 5));
  EXPECT_EQ(flags, static_cast<unsigned long long>(CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
  EXPECT_OK(cuMemGetAccess(&flags, &there, base_));
  EXPECT_EQ(flags, 0u);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemGetAccess(&flags, &here, base_ + kGranule));
  EXPECT_FALSE(host_can_read(base_));
  ASSERT_OK(grant(base_, kGranule, CU_MEM_ACCESS_FLAGS_PROT_NONE));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH(&byte, base_, 1));
  EXPECT_OK(cuMemUnmap(base_, kGranule));
}

TEST_F(Vmm, AccessIsSetOnWholeMappingsOrNotAtAll) {
  ASSERT_OK(cuMemMap(base_, kGranule, 0, handle_, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, grant(base_, 2 * kGranule));  // a hole
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, grant(base_, kGranule / 2));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, grant(base_, kGranule, static_cast<CUmemAccess_flags>(2)));
  const CUmemAccessDesc wanted[] = {
      access_for(CU_MEM_LOCATION_TYPE_DEVICE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE),
      access_for(CU_MEM_LOCATION_TYPE_DEVICE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE, 7)};
  EXPECT_CU(CUDA_ERROR_INVALID_DEVICE, cuMemSetAccess(base_, kGranule, wanted, 2));
  char byte = 1;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(base_, &byte, 1));
  EXPECT_OK(cuMemUnmap(base_, kGranule));
}

TEST_F(Vmm, UnmapTakesWholeMappings) {
  const auto two = create(2 * kGranule);
  map_first();
  ASSERT_OK(cuMemMap(base_ + kGranule, 2 * kGranule, 0, two, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemUnmap(base_ + kGranule, kGranule));  // half of it
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemUnmap(base_, 2 * kGranule));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemUnmap(base_, 4 * kGranule));  // a hole at the end
  EXPECT_OK(cuMemUnmap(base_, 3 * kGranule));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemUnmap(base_, kGranule));
  EXPECT_OK(cuMemRelease(two));
}

TEST_F(Vmm, TwoMappingsOfOneHandleAreOneMemory) {
  map_first();
  ASSERT_OK(cuMemMap(base_ + kGranule, kGranule, 0, handle_, 0));
  ASSERT_OK(grant(base_ + kGranule, kGranule));
  const unsigned value = 0xC0FFEE;
  put(base_ + 400, value);
  unsigned seen = 0;
  EXPECT_OK(cuMemcpyDtoH(&seen, base_ + kGranule + 400, sizeof seen));
  EXPECT_EQ(seen, value);
  EXPECT_OK(cuMemUnmap(base_, kGranule));
  EXPECT_OK(cuMemcpyDtoH(&seen, base_ + kGranule + 400, sizeof seen));
  EXPECT_EQ(seen, value);
  EXPECT_OK(cuMemUnmap(base_ + kGranule, kGranule));
}

TEST_F(Vmm, BytesStayWithTheHandle) {
  map_first();
  const unsigned value = 12345;
  put(base_, value);
  EXPECT_OK(cuMemUnmap(base_, kGranule));
  unsigned seen = 0;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH(&seen, base_, sizeof seen));
  ASSERT_OK(cuMemMap(base_ + 3 * kGranule, kGranule, 0, handle_, 0));
  ASSERT_OK(grant(base_ + 3 * kGranule, kGranule));
  EXPECT_OK(cuMemcpyDtoH(&seen, base_ + 3 * kGranule, sizeof seen));
  EXPECT_EQ(seen, value);
  EXPECT_OK(cuMemUnmap(base_ + 3 * kGranule, kGranule));
}

TEST_F(Vmm, MappingsKeepMemoryAndRetainGivesTheSameHandle) {
  const size_t before = free_memory();
  const auto handle = create(kGranule);
  ASSERT_OK(cuMemMap(base_, kGranule, 0, handle, 0));
  EXPECT_OK(cuMemRelease(handle));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemRelease(handle));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemMap(base_ + kGranule, kGranule, 0, handle, 0));
  EXPECT_EQ(before - free_memory(), kGranule);
  CUmemGenericAllocationHandle retained = 0;
  EXPECT_OK(cuMemRetainAllocationHandle(&retained, reinterpret_cast<void*>(base_ + 77)));
  EXPECT_EQ(retained, handle);
  CUmemAllocationProp prop{};
  EXPECT_OK(cuMemGetAllocationPropertiesFromHandle(&prop, retained));
  EXPECT_EQ(prop.location.type, CU_MEM_LOCATION_TYPE_DEVICE);
  EXPECT_OK(cuMemUnmap(base_, kGranule));
  EXPECT_EQ(before - free_memory(), kGranule);
  EXPECT_OK(cuMemRelease(retained));
  EXPECT_EQ(free_memory(), before);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuMemRetainAllocationHandle(&retained, reinterpret_cast<void*>(base_)));
}

TEST_F(Vmm, HostMemoryIsForBothSidesOnceGranted) {
  const size_t before = free_memory();
  const auto host = create(kGranule, CU_MEM_LOCATION_TYPE_HOST_NUMA);
  EXPECT_EQ(free_memory(), before);
  ASSERT_OK(cuMemMap(base_, kGranule, 0, host, 0));
  ASSERT_OK(grant(base_, kGranule));
  const unsigned value = 99;
  put(base_, value);
  EXPECT_FALSE(host_can_read(base_));
  unsigned type = 0;
  EXPECT_OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, base_));
  EXPECT_EQ(type, static_cast<unsigned>(CU_MEMORYTYPE_HOST));
  const CUmemAccessDesc cpu =
      access_for(CU_MEM_LOCATION_TYPE_HOST_NUMA, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
  ASSERT_OK(cuMemSetAccess(base_, kGranule, &cpu, 1));
  EXPECT_TRUE(host_can_read(base_));
  EXPECT_EQ(*reinterpret_cast<unsigned*>(base_), value);
  EXPECT_OK(cuMemUnmap(base_, kGranule));
  EXPECT_FALSE(host_can_read(base_));
  EXPECT_OK(cuMemRelease(host));
  map_first();
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemSetAccess(base_, kGranule, &cpu, 1));  // on the device
  EXPECT_OK(cuMemUnmap(base_, kGranule));
}

TEST_F(Vmm, PointersAnswerWithTheReservation) {
  size_t size = 0;
  CUdeviceptr start = 0;
  int mapped = 9;
  EXPECT_OK(cuPointerGetAttribute(&mapped, CU_POINTER_ATTRIBUTE_MAPPED, base_ + 10));
  EXPECT_EQ(mapped, 0);
  ASSERT_OK(cuMemMap(base_ + kGranule, kGranule, 0, handle_, 0));
  const CUdeviceptr inside = base_ + kGranule + 10;
  EXPECT_OK(cuPointerGetAttribute(&start, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, inside));
  EXPECT_EQ(start, base_);
  EXPECT_OK(cuPointerGetAttribute(&size, CU_POINTER_ATTRIBUTE_RANGE_SIZE, inside));
  EXPECT_EQ(size, kReserved);
  EXPECT_OK(cuPointerGetAttribute(&start, CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR, inside));
  EXPECT_EQ(start, base_ + kGranule);
  EXPECT_OK(cuMemGetAddressRange(&start, &size, inside));
  EXPECT_EQ(start, base_ + kGranule);
  EXPECT_EQ(size, kGranule);
  CUipcMemHandle ipc;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuIpcGetMemHandle(&ipc, inside));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFree(base_ + kGranule));
  EXPECT_OK(cuMemUnmap(base_ + kGranule, kGranule));
}

TEST_F(Vmm, GranularityIsTwoMebibytes) {
  const CUmemAllocationProp prop = memory_on(CU_MEM_LOCATION_TYPE_DEVICE);
  size_t bytes = 0;
  EXPECT_OK(cuMemGetAllocationGranularity(&bytes, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
  EXPECT_EQ(bytes, kGranule);
  EXPECT_OK(cuMemGetAllocationGranularity(&bytes, &prop, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED));
  EXPECT_EQ(bytes, kGranule);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuMemGetAllocationGranularity(&bytes, &prop,
                                          static_cast<CUmemAllocationGranularity_flags>(5)));
}

TEST_F(Vmm, ExportedMemoryIsTheSameMemory) {
  int file = -1;
  EXPECT_CU(
      CUDA_ERROR_INVALID_VALUE,  // not asked for at creation
      cuMemExportToShareableHandle(&file, handle_, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
  CUmemAllocationProp prop = memory_on(CU_MEM_LOCATION_TYPE_DEVICE);
  prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  CUmemGenericAllocationHandle handle = 0;
  const size_t before = free_memory();
  ASSERT_OK(cuMemCreate(&handle, kGranule, &prop, 0));
  ASSERT_OK(
      cuMemExportToShareableHandle(&file, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
  CUmemGenericAllocationHandle imported = 0;
  const auto import = [&](int from) {
    return cuMemImportFromShareableHandle(&imported,
                                          reinterpret_cast<void*>(static_cast<intptr_t>(from)),
                                          CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
  };
  ASSERT_OK(import(file));
  close(file);
  EXPECT_NE(imported, handle);
  EXPECT_EQ(before - free_memory(), kGranule);  // charged once
  ASSERT_OK(cuMemMap(base_, kGranule, 0, handle, 0));
  ASSERT_OK(cuMemMap(base_ + kGranule, kGranule, 0, imported, 0));
  ASSERT_OK(grant(base_, 2 * kGranule));
  const unsigned value = 31337;
  put(base_, value);
  unsigned seen = 0;
  EXPECT_OK(cuMemcpyDtoH(&seen, base_ + kGranule, sizeof seen));
  EXPECT_EQ(seen, value);
  EXPECT_OK(cuMemUnmap(base_, 2 * kGranule));
  EXPECT_OK(cuMemRelease(handle));
  EXPECT_OK(cuMemRelease(imported));
  EXPECT_EQ(free_memory(), before);
  const int other = open("/dev/null", O_RDWR);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, import(other));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, import(-1));
  close(other);
}

// Threads that map, use and unmap their own addresses do not disturb each other.
TEST_F(Vmm, ThreadsMapAtTheSameTime) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      EXPECT_OK(cuCtxSetCurrent(context_));
      const CUdeviceptr mine = base_ + static_cast<size_t>(i) * kGranule;
      for (int round = 0; round < 20; ++round) {
        const auto handle = create(kGranule);
        EXPECT_OK(cuMemMap(mine, kGranule, 0, handle, 0));
        EXPECT_OK(grant(mine, kGranule));
        const int value = i * 1000 + round;
        put(mine + 64, value);
        int seen = -1;
        EXPECT_OK(cuMemcpyDtoH(&seen, mine + 64, sizeof seen));
        EXPECT_EQ(seen, value);
        EXPECT_OK(cuMemUnmap(mine, kGranule));
        EXPECT_OK(cuMemRelease(handle));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
