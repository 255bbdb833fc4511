// SPDX-License-Identifier: Apache-2.0
// Device, host and managed memory, and what may be asked about an address.
#include <sys/mman.h>

#include <algorithm>
#include <string>

#include "tests/sim/tests/space_support.h"

namespace {

using Memory = InContext;

TEST_F(Memory, IsChargedAndGivenBack) {
  const size_t before = free_memory();
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemAlloc(&address, 1000));
  EXPECT_EQ(before - free_memory(), 1024u);  // 512-byte steps
  EXPECT_EQ(address % 256, 0u);
  EXPECT_OK(cuMemFree(address));
  EXPECT_EQ(free_memory(), before);
}

TEST_F(Memory, CapacityIsStrict) {
  const size_t all = free_memory();
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&address, all + 1));
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&address, SIZE_MAX));
  ASSERT_OK(cuMemAlloc(&address, all));
  EXPECT_EQ(free_memory(), 0u);
  CUdeviceptr more = 0;
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&more, 1));
  EXPECT_OK(cuMemFree(address));
}

TEST_F(Memory, BadRequestsAreRefused) {
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAlloc(&address, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAlloc(nullptr, 64));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFree(0x1234));
  ASSERT_OK(cuMemAlloc(&address, 4096));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFree(address + 256));
  EXPECT_OK(cuMemFree(address));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFree(address));
}

TEST_F(Memory, HostThreadsCannotTouchIt) {
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemAlloc(&address, 4096));
  EXPECT_FALSE(host_can_read(address));
  EXPECT_OK(cuMemFree(address));
}

TEST_F(Memory, IsNeverZeroAndReproducible) {
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemAlloc(&address, 64 * 1024));
  const auto bytes = read_back(address, 64 * 1024);
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), 0), 0);
  EXPECT_OK(cuMemFree(address));
}

TEST_F(Memory, FreedMemoryIsGoneAtOnce) {
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemAlloc(&address, 4096));
  EXPECT_OK(cuMemFree(address));
  char byte = 0;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH(&byte, address, 1));
}

TEST_F(Memory, PitchRowsAreAligned) {
  CUdeviceptr address = 0;
  size_t pitch = 0;
  ASSERT_OK(cuMemAllocPitch(&address, &pitch, 1000, 7, 4));
  EXPECT_EQ(pitch, 1024u);
  CUdeviceptr base = 0;
  size_t size = 0;
  EXPECT_OK(cuMemGetAddressRange(&base, &size, address + 5000));
  EXPECT_EQ(base, address);
  EXPECT_EQ(size, 7 * 1024u);
  EXPECT_OK(cuMemGetAddressRange(nullptr, &size, address));
  EXPECT_OK(cuMemFree(address));
  EXPECT_CU(CUDA_ERROR_NOT_FOUND, cuMemGetAddressRange(&base, &size, address));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAllocPitch(&address, &pitch, 1000, 7, 5));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAllocPitch(&address, &pitch, 0, 7, 4));
}

TEST_F(Memory, PinnedHostMemory) {
  void* memory = nullptr;
  ASSERT_OK(cuMemHostAlloc(&memory, 10000, CU_MEMHOSTALLOC_PORTABLE));
  memset(memory, 1, 10000);
  CUdeviceptr device = 0;
  EXPECT_OK(cuMemHostGetDevicePointer(&device, static_cast<char*>(memory) + 10, 0));
  EXPECT_EQ(device, reinterpret_cast<CUdeviceptr>(memory) + 10);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemHostGetDevicePointer(&device, memory, 1));
  unsigned flags = 0;
  EXPECT_OK(cuMemHostGetFlags(&flags, memory));
  EXPECT_TRUE(flags & CU_MEMHOSTALLOC_PORTABLE);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFree(device - 10));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(static_cast<char*>(memory) + 10));
  EXPECT_OK(cuMemFreeHost(memory));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(memory));
  EXPECT_FALSE(host_can_read(device - 10));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemHostAlloc(&memory, 64, 0x80));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAllocHost(&memory, 0));
}

TEST_F(Memory, RegisteredHostMemory) {
  std::vector<char> memory(100000);
  char* const begin = memory.data();
  CUdeviceptr device = 0;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemHostGetDevicePointer(&device, begin, 0));
  ASSERT_OK(cuMemHostRegister(begin, memory.size(), CU_MEMHOSTREGISTER_DEVICEMAP));
  EXPECT_OK(cuMemHostGetDevicePointer(&device, begin, 0));
  EXPECT_CU(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister(begin + 50, 10, 0));
  EXPECT_CU(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(begin + 50));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(begin));
  EXPECT_OK(cuMemHostUnregister(begin));
  EXPECT_CU(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(begin));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister(nullptr, 10, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister(begin, 0, 0));
  void* hole = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(hole, 4096);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister(hole, 4096, 0));
  CUdeviceptr on_device = 0;
  ASSERT_OK(cuMemAlloc(&on_device, 4096));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuMemHostRegister(reinterpret_cast<void*>(on_device), 4096, 0));
  EXPECT_OK(cuMemFree(on_device));
}

TEST_F(Memory, ManagedIsForBothSides) {
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemAllocManaged(&address, 1 << 16, CU_MEM_ATTACH_GLOBAL));
  memset(reinterpret_cast<void*>(address), 7, 1 << 16);
  EXPECT_EQ(read_back(address + 99, 1)[0], 7);
  const CUmemLocation device{CU_MEM_LOCATION_TYPE_DEVICE, 1};
  EXPECT_OK(cuMemAdvise(address, 1 << 16, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, device));
  int preferred = -9;
  EXPECT_OK(cuMemRangeGetAttribute(&preferred, sizeof preferred,
                                   CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION, address, 1 << 16));
  EXPECT_EQ(preferred, 1);
  EXPECT_OK(cuMemPrefetchAsync(address, 1 << 16, device, 0, nullptr));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuMemPrefetchAsync(address, (1 << 16) + 1, device, 0, nullptr));
  EXPECT_OK(cuMemFree(address));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(&address, 64, 0));
  ASSERT_OK(cuMemAlloc(&address, 4096));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuMemAdvise(address, 4096, CU_MEM_ADVISE_SET_READ_MOSTLY, device));
  EXPECT_OK(cuMemFree(address));
}

template <class T>
T attribute_of(CUdeviceptr address, CUpointer_attribute attribute) {
  T value{};
  EXPECT_OK(cuPointerGetAttribute(&value, attribute, address)) << "attribute " << attribute;
  return value;
}

TEST_F(Memory, DevicePointersAnswer) {
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemAlloc(&address, 5000));
  const CUdeviceptr inside = address + 777;
  EXPECT_EQ(attribute_of<unsigned>(inside, CU_POINTER_ATTRIBUTE_MEMORY_TYPE),
            static_cast<unsigned>(CU_MEMORYTYPE_DEVICE));
  EXPECT_EQ(attribute_of<CUcontext>(inside, CU_POINTER_ATTRIBUTE_CONTEXT), context_);
  EXPECT_EQ(attribute_of<int>(inside, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL), 0);
  EXPECT_EQ(attribute_of<CUdeviceptr>(inside, CU_POINTER_ATTRIBUTE_DEVICE_POINTER), inside);
  EXPECT_EQ(attribute_of<CUdeviceptr>(inside, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR), address);
  EXPECT_EQ(attribute_of<size_t>(inside, CU_POINTER_ATTRIBUTE_RANGE_SIZE), 5000u);
  EXPECT_EQ(attribute_of<int>(inside, CU_POINTER_ATTRIBUTE_MAPPED), 1);
  EXPECT_EQ(attribute_of<int>(inside, CU_POINTER_ATTRIBUTE_IS_MANAGED), 0);
  EXPECT_EQ(attribute_of<int>(inside, CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE), 1);
  EXPECT_EQ(attribute_of<unsigned>(inside, CU_POINTER_ATTRIBUTE_ACCESS_FLAGS), 3u);
  void* host = nullptr;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuPointerGetAttribute(&host, CU_POINTER_ATTRIBUTE_HOST_POINTER, inside));
  const auto first = attribute_of<uint64_t>(inside, CU_POINTER_ATTRIBUTE_BUFFER_ID);
  const int on = 1;
  EXPECT_OK(cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, inside));
  EXPECT_EQ(attribute_of<int>(inside, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS), 1);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_MAPPED, inside));
  EXPECT_OK(cuMemFree(address));
  ASSERT_OK(cuMemAlloc(&address, 5000));
  EXPECT_NE(attribute_of<uint64_t>(address, CU_POINTER_ATTRIBUTE_BUFFER_ID), first);
  EXPECT_OK(cuMemFree(address));
}

TEST_F(Memory, UnknownPointersAreAnErrorAloneAndZeroInCompany) {
  int local = 0;
  const auto unknown = reinterpret_cast<CUdeviceptr>(&local);
  unsigned type = 77;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, unknown));
  int ordinal = 77;
  void* host = &local;
  CUpointer_attribute wanted[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                  CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
                                  CU_POINTER_ATTRIBUTE_HOST_POINTER};
  void* out[] = {&type, &ordinal, &host};
  EXPECT_OK(cuPointerGetAttributes(3, wanted, out, unknown));
  EXPECT_EQ(type, 0u);
  EXPECT_EQ(ordinal, -2);
  EXPECT_EQ(host, nullptr);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttributes(0, wanted, out, unknown));
  wanted[1] = CU_POINTER_ATTRIBUTE_P2P_TOKENS;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttributes(3, wanted, out, unknown));
}

TEST_F(Memory, HostPointersAnswer) {
  void* memory = nullptr;
  ASSERT_OK(cuMemAllocHost(&memory, 4096));
  const auto address = reinterpret_cast<CUdeviceptr>(memory);
  EXPECT_EQ(attribute_of<unsigned>(address, CU_POINTER_ATTRIBUTE_MEMORY_TYPE),
            static_cast<unsigned>(CU_MEMORYTYPE_HOST));
  EXPECT_EQ(attribute_of<void*>(address, CU_POINTER_ATTRIBUTE_HOST_POINTER), memory);
  EXPECT_OK(cuMemFreeHost(memory));
  CUdeviceptr managed = 0;
  ASSERT_OK(cuMemAllocManaged(&managed, 4096, CU_MEM_ATTACH_GLOBAL));
  EXPECT_EQ(attribute_of<int>(managed, CU_POINTER_ATTRIBUTE_IS_MANAGED), 1);
  EXPECT_OK(cuMemFree(managed));
}

TEST_F(Memory, LegacyIpcIsForOrdinaryMemoryOnly) {
  CUipcMemHandle handle;
  void* memory = nullptr;
  ASSERT_OK(cuMemAllocHost(&memory, 4096));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuIpcGetMemHandle(&handle, reinterpret_cast<CUdeviceptr>(memory)));
  EXPECT_OK(cuMemFreeHost(memory));
}

}  // namespace
