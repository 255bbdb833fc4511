// SPDX-License-Identifier: Apache-2.0
// What errors do: which stay, which go, what a broken context answers, what is missing says so.
// Cases that break the process or need a fresh one run in a child.
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <thread>

#include "cudart_support.h"

namespace {

__global__ void write_to(int* address) {
  *address = 1;
}
__global__ void trap_always() {
  __trap();
}
__global__ void nothing() {}

// In a fresh process with `setting`; `body` answers whether all was as expected.
template <class Body>
void in_child(const char* variable, const char* value, Body body) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        setenv(variable, value, 1);
        exit(body() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}
#define SAME(expected, actual)                                            \
  do {                                                                    \
    const cudaError_t got = (actual);                                     \
    if (got == (expected)) break;                                         \
    fprintf(stderr, "%s is %s, not %s\n", #actual, cudaGetErrorName(got), \
            cudaGetErrorName(expected));                                  \
    return false;                                                         \
  } while (false)

TEST(Errors, HaveNamesAndTexts) {
  EXPECT_STREQ("cudaErrorMemoryAllocation", cudaGetErrorName(cudaErrorMemoryAllocation));
  EXPECT_STREQ("out of memory", cudaGetErrorString(cudaErrorMemoryAllocation));
  EXPECT_STREQ("no error", cudaGetErrorString(cudaSuccess));
  EXPECT_STREQ("unrecognized error code", cudaGetErrorString(static_cast<cudaError_t>(12345)));
}

TEST(Errors, TheLastOneIsReadOnceAndPerThread) {
  int device = 0;
  EXPECT_EQ(cudaErrorInvalidDevice, cudaSetDevice(99));
  EXPECT_EQ(cudaErrorInvalidDevice, cudaPeekAtLastError());
  OK(cudaGetDevice(&device));  // success does not clear it
  std::thread([] { EXPECT_EQ(cudaSuccess, cudaGetLastError()); }).join();
  EXPECT_EQ(cudaErrorInvalidDevice, cudaGetLastError());
  EXPECT_EQ(cudaSuccess, cudaGetLastError());
}

TEST(Errors, ABadLaunchIsReportedByTheNextQuestion) {
  nothing<<<0, 32>>>();
  EXPECT_EQ(cudaErrorInvalidConfiguration, cudaGetLastError());
  nothing<<<1, 1025>>>();
  EXPECT_EQ(cudaErrorInvalidConfiguration, cudaGetLastError());
  nothing<<<1, dim3(1, 1, 65)>>>();
  EXPECT_EQ(cudaErrorInvalidConfiguration, cudaGetLastError());
  nothing<<<dim3(1, 65536), 1>>>();
  EXPECT_EQ(cudaErrorInvalidConfiguration, cudaGetLastError());
  nothing<<<1, 32, 1 << 20>>>();
  EXPECT_EQ(cudaErrorInvalidValue, cudaGetLastError());
  int host = 0;
  EXPECT_EQ(cudaErrorInvalidDeviceFunction,
            cudaLaunchKernel(&host, dim3(1), dim3(1), nullptr, 0, nullptr));
  cudaGetLastError();
  nothing<<<1, 32>>>();
  EXPECT_EQ(cudaSuccess, cudaGetLastError());
  OK(cudaDeviceSynchronize());
}

TEST(Errors, AFaultStaysForGood) {
  in_child("SIMCUDA_SEED", "0", [] {
    write_to<<<1, 1>>>(reinterpret_cast<int*>(uintptr_t{0x10}));
    SAME(cudaErrorIllegalAddress, cudaDeviceSynchronize());
    SAME(cudaErrorIllegalAddress, cudaGetLastError());
    SAME(cudaErrorIllegalAddress, cudaGetLastError());
    void* address = nullptr;
    SAME(cudaErrorIllegalAddress, cudaMalloc(&address, 16));
    nothing<<<1, 1>>>();
    SAME(cudaErrorIllegalAddress, cudaGetLastError());
    return true;
  });
}

TEST(Errors, AFreedAddressFaults) {
  in_child("SIMCUDA_SEED", "0", [] {
    int* address = nullptr;
    SAME(cudaSuccess, cudaMalloc(&address, 32 << 20));
    SAME(cudaSuccess, cudaFree(address));
    write_to<<<1, 1>>>(address);
    SAME(cudaErrorIllegalAddress, cudaDeviceSynchronize());
    return true;
  });
}

TEST(Errors, ATrapIsALaunchFailure) {
  in_child("SIMCUDA_SEED", "0", [] {
    trap_always<<<1, 32>>>();
    SAME(cudaErrorLaunchFailure, cudaDeviceSynchronize());
    void* address = nullptr;
    SAME(cudaErrorLaunchFailure, cudaMalloc(&address, 16));
    return true;
  });
}

TEST(Errors, AResetDeviceWorksAgain) {
  in_child("SIMCUDA_SEED", "0", [] {
    int *address = nullptr, value = 0;
    SAME(cudaSuccess, cudaMalloc(&address, 4));
    SAME(cudaSuccess, cudaDeviceReset());
    SAME(cudaErrorInvalidValue, cudaFree(address));  // gone with its context
    cudaGetLastError();
    SAME(cudaSuccess, cudaMalloc(&address, 4));
    write_to<<<1, 1>>>(address);
    SAME(cudaSuccess, cudaMemcpy(&value, address, 4, cudaMemcpyDeviceToHost));
    return value == 1;
  });
}

TEST(Errors, WithoutADevice) {
  in_child("SIMCUDA_DEVICES", "0", [] {
    int count = -1;
    SAME(cudaErrorNoDevice, cudaGetDeviceCount(&count));
    if (count != 0) return false;
    void* address = nullptr;
    SAME(cudaErrorNoDevice, cudaMalloc(&address, 16));
    nothing<<<1, 1>>>();
    SAME(cudaErrorNoDevice, cudaGetLastError());
    return true;
  });
}

TEST(Errors, OfTheDriverComeThrough) {
  in_child("SIMCUDA_FAULT", "cuMemAlloc:2:CUDA_ERROR_OUT_OF_MEMORY", [] {
    void* address = nullptr;
    SAME(cudaSuccess, cudaMalloc(&address, 16));
    SAME(cudaErrorMemoryAllocation, cudaMalloc(&address, 16));
    SAME(cudaErrorMemoryAllocation, cudaGetLastError());
    SAME(cudaSuccess, cudaMalloc(&address, 16));
    return true;
  });
}

TEST(Errors, SeveralDevices) {
  in_child("SIMCUDA_DEVICES", "2", [] {
    int count = 0, device = -1, can = 0, *first = nullptr, *second = nullptr, value = 0;
    SAME(cudaSuccess, cudaGetDeviceCount(&count));
    if (count != 2) return false;
    SAME(cudaSuccess, cudaMalloc(&first, 4));
    SAME(cudaSuccess, cudaSetDevice(1));
    SAME(cudaSuccess, cudaGetDevice(&device));
    if (device != 1) return false;
    SAME(cudaSuccess, cudaMalloc(&second, 4));
    cudaPointerAttributes attributes;
    SAME(cudaSuccess, cudaPointerGetAttributes(&attributes, second));
    if (attributes.device != 1) return false;
    SAME(cudaSuccess, cudaDeviceCanAccessPeer(&can, 1, 0));
    if (can != 1) return false;
    SAME(cudaSuccess, cudaDeviceEnablePeerAccess(0, 0));
    SAME(cudaErrorPeerAccessAlreadyEnabled, cudaDeviceEnablePeerAccess(0, 0));
    cudaGetLastError();
    write_to<<<1, 1>>>(first);  // a kernel of device 1 writes memory of device 0
    SAME(cudaSuccess, cudaDeviceSynchronize());
    SAME(cudaSuccess, cudaMemcpyPeer(second, 1, first, 0, 4));
    SAME(cudaSuccess, cudaMemcpy(&value, second, 4, cudaMemcpyDeviceToHost));
    return value == 1;
  });
}

TEST(Missing, FunctionsAnswerNotSupportedAndNameThemselvesOnce) {
  auto* missing = reinterpret_cast<cudaError_t (*)()>(dlsym(RTLD_DEFAULT, "cudaVDPAUGetDevice"));
  ASSERT_NE(nullptr, missing);
  testing::internal::CaptureStderr();
  EXPECT_EQ(cudaErrorNotSupported, missing());
  EXPECT_EQ(cudaErrorNotSupported, missing());
  EXPECT_EQ(cudaErrorNotSupported, cudaGetLastError());
  EXPECT_EQ("libcudart (simulated): cudaVDPAUGetDevice is not implemented\n",
            testing::internal::GetCapturedStderr());
}

TEST(Versions, AreThoseOfTheToolkit) {
  int runtime = 0, driver = 0;
  OK(cudaRuntimeGetVersion(&runtime));
  OK(cudaDriverGetVersion(&driver));
  EXPECT_EQ(CUDART_VERSION, runtime);
  EXPECT_GE(driver, runtime);
}

TEST(Device, PropertiesAgreeWithAttributes) {
  cudaDeviceProp device;
  OK(cudaGetDeviceProperties(&device, 0));
  size_t free = 0, total = 0;
  OK(cudaMemGetInfo(&free, &total));
  EXPECT_EQ(total, device.totalGlobalMem);
  EXPECT_EQ(32, device.warpSize);
  EXPECT_GT(strlen(device.name), 0u);
  int value = 0;
  OK(cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 0));
  EXPECT_EQ(value, device.major);
  OK(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, 0));
  EXPECT_EQ(value, device.multiProcessorCount);
  OK(cudaDeviceGetAttribute(&value, cudaDevAttrMaxThreadsPerBlock, 0));
  EXPECT_EQ(value, device.maxThreadsPerBlock);
  FAILS(cudaErrorInvalidDevice, cudaGetDeviceProperties(&device, 1));
  int chosen = -1;
  OK(cudaChooseDevice(&chosen, &device));
  EXPECT_EQ(0, chosen);
}

}  // namespace
