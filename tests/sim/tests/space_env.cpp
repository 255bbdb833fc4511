// SPDX-License-Identifier: Apache-2.0
// What the SIMCUDA_* variables do. space_main.cpp sets them.
#include <spawn.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "tests/sim/tests/space_support.h"

namespace {

TEST(EnvNoDevice, InitSaysSo) {
  EXPECT_CU(CUDA_ERROR_NO_DEVICE, cuInit(0));
  int count = 9;
  EXPECT_CU(CUDA_ERROR_NOT_INITIALIZED, cuDeviceGetCount(&count));
}

using EnvNoHostVmm = InContext;

TEST_F(EnvNoHostVmm, HostMemoryIsRefusedDeviceMemoryIsNot) {
  CUmemGenericAllocationHandle handle = 0;
  for (const auto type : {CU_MEM_LOCATION_TYPE_HOST, CU_MEM_LOCATION_TYPE_HOST_NUMA}) {
    const CUmemAllocationProp prop = memory_on(type);
    EXPECT_CU(CUDA_ERROR_NOT_SUPPORTED, cuMemCreate(&handle, kGranule, &prop, 0));
  }
  int supported = 9;
  EXPECT_OK(cuDeviceGetAttribute(
      &supported, CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 0));
  EXPECT_EQ(supported, 0);
  const CUmemAllocationProp prop = memory_on(CU_MEM_LOCATION_TYPE_DEVICE);
  ASSERT_OK(cuMemCreate(&handle, kGranule, &prop, 0));
  EXPECT_OK(cuMemRelease(handle));
}

TEST(EnvBadValues, DefaultsStand) {
  ASSERT_OK(cuInit(0));
  size_t bytes = 0;
  EXPECT_OK(cuDeviceTotalMem(&bytes, 0));
  EXPECT_EQ(bytes, 64ull << 30);
  int count = 0;
  EXPECT_OK(cuDeviceGetCount(&count));
  EXPECT_EQ(count, 16);  // the most there can be
}

TEST(EnvOtherMachine, IsAnotherMachine) {
  ASSERT_OK(cuInit(0));
  int major = 0;
  int minor = 9;
  EXPECT_OK(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0));
  EXPECT_OK(cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0));
  EXPECT_EQ(major * 10 + minor, 70);
  int sms = 0;
  EXPECT_OK(cuDeviceGetAttribute(&sms, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0));
  EXPECT_EQ(sms, 80);
}

using EnvFault = InContext;

TEST_F(EnvFault, TheNthCallFails) {
  CUdeviceptr first = 0;
  CUdeviceptr second = 0;
  EXPECT_OK(cuMemAlloc(&first, 64));  // the rule names cuMemAlloc: all its ABIs
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&second, 64));
  EXPECT_OK(cuMemAlloc(&second, 64));
  EXPECT_OK(cuMemFree(first));  // its rule could not be read: none
  EXPECT_OK(cuMemFree(second));
  const CUmemAllocationProp prop = memory_on(CU_MEM_LOCATION_TYPE_DEVICE);
  CUmemGenericAllocationHandle handle = 0;
  for (int i = 0; i < 3; ++i) {  // every call, by number
    EXPECT_CU(CUDA_ERROR_NOT_SUPPORTED, cuMemCreate(&handle, kGranule, &prop, 0));
  }
  void* memory = nullptr;
  EXPECT_OK(cuMemAllocHost(&memory, 64));
  void* more = nullptr;
  for (int i = 0; i < 3; ++i) {  // from the second on
    EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocHost(&more, 64));
  }
  EXPECT_OK(cuMemFreeHost(memory));
}

// The other end of Shared.AnotherProcessImports: started by it, with the descriptor's number.
using EnvImporter = InContext;

TEST_F(EnvImporter, SeesAndChangesTheBytes) {
  const char* number = getenv("SIM_SPACE_TESTS_FD");
  ASSERT_NE(number, nullptr);
  CUmemGenericAllocationHandle handle = 0;
  ASSERT_OK(cuMemImportFromShareableHandle(
      &handle, reinterpret_cast<void*>(static_cast<intptr_t>(atoi(number))),
      CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
  CUmemAllocationProp prop{};
  EXPECT_OK(cuMemGetAllocationPropertiesFromHandle(&prop, handle));
  EXPECT_EQ(prop.location.type, CU_MEM_LOCATION_TYPE_DEVICE);
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemAddressReserve(&address, kGranule, 0, 0, 0));
  ASSERT_OK(cuMemMap(address, kGranule, 0, handle, 0));
  ASSERT_OK(grant(address, kGranule));
  EXPECT_EQ(read_back(address, 1)[0], 11);
  put(address, static_cast<unsigned char>(22));
  EXPECT_OK(cuMemUnmap(address, kGranule));
  EXPECT_OK(cuMemRelease(handle));
  EXPECT_OK(cuMemAddressFree(address, kGranule));
}

using Shared = InContext;

TEST_F(Shared, AnotherProcessImports) {
  CUmemAllocationProp prop = memory_on(CU_MEM_LOCATION_TYPE_DEVICE);
  prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  CUmemGenericAllocationHandle handle = 0;
  CUdeviceptr address = 0;
  ASSERT_OK(cuMemCreate(&handle, kGranule, &prop, 0));
  ASSERT_OK(cuMemAddressReserve(&address, kGranule, 0, 0, 0));
  ASSERT_OK(cuMemMap(address, kGranule, 0, handle, 0));
  ASSERT_OK(grant(address, kGranule));
  put(address, static_cast<unsigned char>(11));
  int file = -1;
  ASSERT_OK(
      cuMemExportToShareableHandle(&file, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
  const int inherited = dup(file);  // without close-on-exec
  const std::string number = std::to_string(inherited);
  setenv("SIM_SPACE_TESTS_FD", number.c_str(), 1);
  char program[] = "/proc/self/exe";
  char filter[] = "--gtest_filter=EnvImporter.*";
  char* arguments[] = {program, filter, nullptr};
  pid_t child = 0;
  ASSERT_EQ(posix_spawn(&child, program, nullptr, nullptr, arguments, environ), 0);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_back(address, 1)[0], 22);
  close(inherited);
  close(file);
  EXPECT_OK(cuMemUnmap(address, kGranule));
  EXPECT_OK(cuMemRelease(handle));
  EXPECT_OK(cuMemAddressFree(address, kGranule));
}

}  // namespace
