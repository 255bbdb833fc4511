// SPDX-License-Identifier: Apache-2.0
// Devices and contexts.
#include <string>
#include <thread>

#include "tests/sim/tests/space_support.h"

namespace {

TEST_F(InContext, DevicesSayWhatTheyAre) {
  int count = 0;
  EXPECT_OK(cuDeviceGetCount(&count));
  EXPECT_EQ(count, 2);
  CUdevice device = -1;
  EXPECT_OK(cuDeviceGet(&device, 1));
  EXPECT_CU(CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&device, 2));
  EXPECT_CU(CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&device, -1));
  size_t bytes = 0;
  EXPECT_OK(cuDeviceTotalMem(&bytes, 0));
  EXPECT_EQ(bytes, 256 * kMiB);
  char name[64];
  EXPECT_OK(cuDeviceGetName(name, sizeof name, 0));
  EXPECT_NE(std::string(name).find("Simulated"), std::string::npos);
  char cut[4];
  EXPECT_OK(cuDeviceGetName(cut, sizeof cut, 0));
  EXPECT_STREQ(cut, "Sim");
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuDeviceGetName(name, 0, 0));
}

TEST_F(InContext, Attributes) {
  const auto value = [](CUdevice_attribute attribute) {
    int got = -1;
    EXPECT_OK(cuDeviceGetAttribute(&got, attribute, 0));
    return got;
  };
  EXPECT_EQ(value(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR), 9);
  EXPECT_EQ(value(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR), 0);
  EXPECT_EQ(value(CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED), 1);
  EXPECT_EQ(value(CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID), 0);
  EXPECT_EQ(value(CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED), 1);
  EXPECT_EQ(value(CU_DEVICE_ATTRIBUTE_HOST_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED), 1);
  EXPECT_EQ(value(CU_DEVICE_ATTRIBUTE_HOST_MEMORY_POOLS_SUPPORTED), 0);
  EXPECT_EQ(value(CU_DEVICE_ATTRIBUTE_WARP_SIZE), 32);
  int got = 0;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuDeviceGetAttribute(&got, static_cast<CUdevice_attribute>(5000), 0));
  EXPECT_CU(CUDA_ERROR_INVALID_DEVICE,
            cuDeviceGetAttribute(&got, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 2));
}

TEST_F(InContext, IdentityIsStable) {
  CUuuid first{};
  CUuuid second{};
  EXPECT_OK(cuDeviceGetUuid(&first, 0));
  EXPECT_OK(cuDeviceGetUuid(&second, 1));
  EXPECT_NE(memcmp(&first, &second, sizeof first), 0);
  char bus[32];
  EXPECT_OK(cuDeviceGetPCIBusId(bus, sizeof bus, 1));
  CUdevice device = -1;
  EXPECT_OK(cuDeviceGetByPCIBusId(&device, bus));
  EXPECT_EQ(device, 1);
  EXPECT_CU(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetByPCIBusId(&device, "0000:7f:00.0"));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuDeviceGetByPCIBusId(&device, "nowhere"));
}

TEST(Contexts, PrimaryIsCounted) {
  ASSERT_OK(cuInit(0));
  unsigned flags = 9;
  int active = 9;
  EXPECT_OK(cuDevicePrimaryCtxGetState(1, &flags, &active));
  EXPECT_EQ(active, 0);
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cuDevicePrimaryCtxRelease(1));
  EXPECT_OK(cuDevicePrimaryCtxSetFlags(1, CU_CTX_SCHED_YIELD));
  CUcontext context = nullptr;
  CUcontext again = nullptr;
  EXPECT_OK(cuDevicePrimaryCtxRetain(&context, 1));
  EXPECT_OK(cuDevicePrimaryCtxRetain(&again, 1));
  EXPECT_EQ(context, again);
  EXPECT_OK(cuDevicePrimaryCtxGetState(1, &flags, &active));
  EXPECT_EQ(active, 1);
  EXPECT_EQ(flags, static_cast<unsigned>(CU_CTX_SCHED_YIELD));
  EXPECT_OK(cuDevicePrimaryCtxRelease(1));
  EXPECT_OK(cuDevicePrimaryCtxGetState(1, &flags, &active));
  EXPECT_EQ(active, 1);
  EXPECT_OK(cuDevicePrimaryCtxRelease(1));
  EXPECT_OK(cuDevicePrimaryCtxGetState(1, &flags, &active));
  EXPECT_EQ(active, 0);
  EXPECT_CU(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuCtxSetCurrent(context));
  EXPECT_OK(cuDevicePrimaryCtxRetain(&again, 1));
  EXPECT_EQ(context, again);
  EXPECT_OK(cuDevicePrimaryCtxRelease(1));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cuDevicePrimaryCtxSetFlags(1, CU_CTX_SCHED_SPIN | CU_CTX_SCHED_YIELD));
  EXPECT_CU(CUDA_ERROR_INVALID_DEVICE, cuDevicePrimaryCtxRetain(&context, 5));
}

TEST(Contexts, ResetTakesEverythingButTheReferences) {
  ASSERT_OK(cuInit(0));
  CUcontext context = nullptr;
  ASSERT_OK(cuDevicePrimaryCtxRetain(&context, 0));
  ASSERT_OK(cuCtxSetCurrent(context));
  const size_t before = free_memory();
  CUdeviceptr address = 0;
  EXPECT_OK(cuMemAlloc(&address, 8 * kMiB));
  EXPECT_OK(cuDevicePrimaryCtxReset(0));
  EXPECT_CU(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuMemFree(address));
  EXPECT_OK(cuDevicePrimaryCtxRetain(&context, 0));
  EXPECT_EQ(free_memory(), before);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuMemFree(address));
  EXPECT_OK(cuDevicePrimaryCtxRelease(0));
  EXPECT_OK(cuDevicePrimaryCtxRelease(0));
  EXPECT_OK(cuCtxSetCurrent(nullptr));
}

TEST(Contexts, CreatedOnesStackPerThread) {
  ASSERT_OK(cuInit(0));
  CUcontext first = nullptr;
  CUcontext second = nullptr;
  CUcontext seen = nullptr;
  ASSERT_OK(cuCtxCreate(&first, nullptr, CU_CTX_SCHED_SPIN, 0));
  ASSERT_OK(cuCtxCreate(&second, nullptr, 0, 1));
  EXPECT_OK(cuCtxGetCurrent(&seen));
  EXPECT_EQ(seen, second);
  CUdevice device = -1;
  EXPECT_OK(cuCtxGetDevice(&device));
  EXPECT_EQ(device, 1);
  std::thread([] {
    CUcontext none = reinterpret_cast<CUcontext>(1);
    EXPECT_OK(cuCtxGetCurrent(&none));
    EXPECT_EQ(none, nullptr);
    CUdevice nowhere = 0;
    EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cuCtxGetDevice(&nowhere));
    CUdeviceptr address = 0;
    EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cuMemAlloc(&address, 64));
    EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cuCtxPopCurrent(&none));
  }).join();
  EXPECT_OK(cuCtxPopCurrent(&seen));
  EXPECT_EQ(seen, second);
  unsigned flags = 0;
  EXPECT_OK(cuCtxGetFlags(&flags));
  EXPECT_EQ(flags, static_cast<unsigned>(CU_CTX_SCHED_SPIN));
  unsigned long long id_first = 0;
  unsigned long long id_second = 0;
  EXPECT_OK(cuCtxGetId(first, &id_first));
  EXPECT_OK(cuCtxGetId(second, &id_second));
  EXPECT_NE(id_first, id_second);
  EXPECT_OK(cuCtxDestroy(first));  // current here: popped
  EXPECT_OK(cuCtxGetCurrent(&seen));
  EXPECT_EQ(seen, nullptr);
  EXPECT_CU(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuCtxDestroy(first));
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cuCtxDestroy(reinterpret_cast<CUcontext>(&seen)));
  EXPECT_OK(cuCtxDestroy(second));
  EXPECT_CU(CUDA_ERROR_INVALID_DEVICE, cuCtxCreate(&first, nullptr, 0, 2));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuCtxCreate(nullptr, nullptr, 0, 0));
}

// cudart asks so, to learn whether there is a context.
TEST(Contexts, MissingContextIsSaidBeforeMissingArgument) {
  ASSERT_OK(cuInit(0));
  using GetDevice = CUresult (*)(CUdevice*, CUcontext);
  void* found = nullptr;
  ASSERT_OK(cuGetProcAddress("cuCtxGetDevice", &found, 13000, 0, nullptr));
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, reinterpret_cast<GetDevice>(found)(nullptr, nullptr));
}

TEST_F(InContext, DestroyedPrimaryCannotBeDestroyed) {
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cuCtxDestroy(context_));
}

TEST_F(InContext, LimitsAndConfigurationsAreKept) {
  size_t value = 0;
  EXPECT_OK(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 4096));
  EXPECT_OK(cuCtxGetLimit(&value, CU_LIMIT_STACK_SIZE));
  EXPECT_EQ(value, 4096u);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuCtxGetLimit(&value, CU_LIMIT_MAX));
  EXPECT_CU(CUDA_ERROR_UNSUPPORTED_LIMIT, cuCtxSetLimit(CU_LIMIT_CIG_ENABLED, 1));
  CUfunc_cache config{};
  EXPECT_OK(cuCtxSetCacheConfig(CU_FUNC_CACHE_PREFER_L1));
  EXPECT_OK(cuCtxGetCacheConfig(&config));
  EXPECT_EQ(config, CU_FUNC_CACHE_PREFER_L1);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuCtxSetCacheConfig(static_cast<CUfunc_cache>(9)));
}

TEST_F(InContext, PeersAreEnabledOnce) {
  int can = 0;
  EXPECT_OK(cuDeviceCanAccessPeer(&can, 0, 1));
  EXPECT_EQ(can, 1);
  EXPECT_OK(cuDeviceCanAccessPeer(&can, 0, 0));
  EXPECT_EQ(can, 0);
  CUcontext other = nullptr;
  ASSERT_OK(cuDevicePrimaryCtxRetain(&other, 1));
  EXPECT_CU(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, cuCtxDisablePeerAccess(other));
  EXPECT_OK(cuCtxEnablePeerAccess(other, 0));
  EXPECT_CU(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, cuCtxEnablePeerAccess(other, 0));
  EXPECT_OK(cuCtxDisablePeerAccess(other));
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cuCtxEnablePeerAccess(context_, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cuCtxEnablePeerAccess(other, 1));
  EXPECT_OK(cuDevicePrimaryCtxRelease(1));
}

}  // namespace
