// SPDX-License-Identifier: Apache-2.0
// What the tests of the simulated driver's memory half share: a current context, memory by VMM in
// one line, and ways to look at memory that do not crash.
#pragma once

#include <cuda.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

// A failed expectation shows the name of the error.
inline const char* error_name(CUresult result) {
  const char* name = nullptr;
  return cuGetErrorName(result, &name) == CUDA_SUCCESS ? name : "no CUresult";
}

#define EXPECT_CU(expected, call) EXPECT_STREQ(error_name(expected), error_name(call))
#define EXPECT_OK(call) EXPECT_CU(CUDA_SUCCESS, call)
#define ASSERT_OK(call) ASSERT_STREQ("CUDA_SUCCESS", error_name(call))

inline constexpr size_t kMiB = 1 << 20;
inline constexpr size_t kGranule = 2 * kMiB;

// The primary context of device 0, current.
class InContext : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(cuInit(0));
    ASSERT_OK(cuDevicePrimaryCtxRetain(&context_, 0));
    ASSERT_OK(cuCtxSetCurrent(context_));
  }
  void TearDown() override {
    EXPECT_OK(cuDevicePrimaryCtxRelease(0));
    EXPECT_OK(cuCtxSetCurrent(nullptr));
  }
  CUcontext context_ = nullptr;
};

// A host thread reads one byte; the kernel does it, so that a bad address is an answer.
inline bool host_can_read(CUdeviceptr address) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  const bool could = write(ends[1], reinterpret_cast<const void*>(address), 1) == 1;
  close(ends[0]);
  close(ends[1]);
  return could;
}

inline std::vector<unsigned char> read_back(CUdeviceptr address, size_t bytes) {
  std::vector<unsigned char> got(bytes);
  EXPECT_OK(cuMemcpyDtoH(got.data(), address, bytes));
  return got;
}

// A copy from pageable memory may still be under way when the call returns; after this it is not.
template <class T>
void put(CUdeviceptr address, const T& value) {
  EXPECT_OK(cuMemcpyHtoD(address, &value, sizeof value));
  EXPECT_OK(cuStreamSynchronize(nullptr));
}

inline size_t free_memory() {
  size_t free = 0;
  size_t total = 0;
  EXPECT_OK(cuMemGetInfo(&free, &total));
  return free;
}

inline CUmemAllocationProp memory_on(CUmemLocationType type, int id = 0) {
  CUmemAllocationProp prop{};
  prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  prop.location = {type, id};
  return prop;
}

inline CUmemAccessDesc access_for(CUmemLocationType type, CUmemAccess_flags flags, int id = 0) {
  CUmemAccessDesc desc{};
  desc.location = {type, id};
  desc.flags = flags;
  return desc;
}

inline CUresult grant(CUdeviceptr address, size_t bytes,
                      CUmemAccess_flags flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE) {
  const CUmemAccessDesc desc = access_for(CU_MEM_LOCATION_TYPE_DEVICE, flags);
  return cuMemSetAccess(address, bytes, &desc, 1);
}
