// SPDX-License-Identifier: Apache-2.0
// Kernels, variables and launches of a program with two device images.
#include <cooperative_groups.h>

#include "cudart_support.h"

__device__ int counter = 7;
__device__ int table[4] = {1, 2, 3, 4};
__constant__ float scale = 2.5f;
__constant__ int weights[64];
__managed__ int shared_with_host = 11;

// In cudart_launch_more.cu, with an image of its own that has a static variable of the same name.
int run_in_second_image(int value);

namespace {

template <class T>
__global__ void add(T* values, T amount, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) values[i] += amount;
}

__global__ void scaled(float* out) {
  out[threadIdx.x] = static_cast<float>(threadIdx.x) * scale;
}

__global__ void weighted(int* out) {
  out[threadIdx.x] = weights[threadIdx.x] * table[threadIdx.x % 4];
}

__global__ void count_up() {
  atomicAdd(&counter, 1);
}

__global__ void reverse(int* values, int count) {
  extern __shared__ int staged[];
  staged[threadIdx.x] = values[threadIdx.x];
  __syncthreads();
  values[threadIdx.x] = staged[count - 1 - threadIdx.x];
}

struct Big {
  int* out;
  double factors[60];
};
__global__ void by_value(Big big, char tail) {
  big.out[threadIdx.x] = static_cast<int>(big.factors[threadIdx.x]) + tail;
}

__global__ void shape(int* out) {
  if (threadIdx.x + threadIdx.y + threadIdx.z == 0)
    out[(blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x] =
        static_cast<int>(blockDim.x * 10000 + blockDim.y * 100 + blockDim.z);
}

__global__ void touch_managed() {
  shared_with_host += 1;
}

__global__ void sum_over_grid(const int* in, int* partial, int* out, int count) {
  const int threads = gridDim.x * blockDim.x, self = blockIdx.x * blockDim.x + threadIdx.x;
  int sum = 0;
  for (int i = self; i < count; i += threads) sum += in[i];
  partial[self] = sum;
  cooperative_groups::this_grid().sync();
  if (self != 0) return;
  sum = 0;
  for (int i = 0; i < threads; ++i) sum += partial[i];
  *out = sum;
}

TEST(Launch, EveryInstanceOfATemplateIsAKernelOfItsOwn) {
  Buffer<int> ints(counting(1000));
  Buffer<double> doubles(std::vector<double>(1000, 0.5));
  add<<<8, 128>>>(static_cast<int*>(ints), 3, 1000);
  add<<<8, 128>>>(static_cast<double*>(doubles), 0.25, 1000);
  OK(cudaGetLastError());
  EXPECT_EQ(counting(1000, 3), ints.host());
  EXPECT_EQ(std::vector<double>(1000, 0.75), doubles.host());
}

TEST(Launch, DynamicSharedMemoryHasTheSizeOfTheLaunch) {
  Buffer<int> values(counting(256));
  reverse<<<1, 256, 256 * sizeof(int)>>>(values, 256);
  const std::vector<int> out = values.host();
  for (int i = 0; i < 256; ++i) ASSERT_EQ(255 - i, out[i]);
}

TEST(Launch, StructsTravelByValue) {
  Buffer<int> out(60);
  Big big{out, {}};
  for (int i = 0; i < 60; ++i) big.factors[i] = i * 3.0;
  by_value<<<1, 60>>>(big, 5);
  const std::vector<int> got = out.host();
  for (int i = 0; i < 60; ++i) ASSERT_EQ(i * 3 + 5, got[i]);
}

TEST(Launch, GridsAndBlocksHaveThreeDimensions) {
  Buffer<int> out(24);
  shape<<<dim3(2, 3, 4), dim3(5, 6, 7)>>>(out);
  EXPECT_EQ(std::vector<int>(24, 50607), out.host());
}

TEST(Launch, AnArgumentMayLaunchAKernelItself) {
  Buffer<int> values(counting(32));
  auto inner = [&] {
    add<<<1, 32>>>(static_cast<int*>(values), 10, 32);
    return 100;
  };
  add<<<1, 32>>>(static_cast<int*>(values), inner(), 32);
  EXPECT_EQ(counting(32, 110), values.host());
}

TEST(Launch, TheFunctionFormsLaunchTheSameKernel) {
  Buffer<int> values(counting(64));
  int *data = values, amount = 1, count = 64;
  void* arguments[] = {&data, &amount, &count};
  OK(cudaLaunchKernel(add<int>, dim3(1), dim3(64), arguments, 0, nullptr));

  cudaLaunchConfig_t config{};
  config.gridDim = dim3(1);
  config.blockDim = dim3(64);
  OK(cudaLaunchKernelEx(&config, add<int>, data, 1, 64));

  cudaKernel_t kernel = nullptr;
  OK(cudaGetKernel(&kernel, add<int>));
  OK(cudaLaunchKernel(kernel, dim3(1), dim3(64), arguments, 0, nullptr));
  EXPECT_EQ(counting(64, 3), values.host());
}

TEST(Launch, ACooperativeGridMeetsItself) {
  Buffer<int> in(counting(1000)), partial(128), out(1);
  int *in_data = in, *partial_data = partial, *out_data = out, count = 1000;
  void* arguments[] = {&in_data, &partial_data, &out_data, &count};
  OK(cudaLaunchCooperativeKernel(sum_over_grid, dim3(4), dim3(32), arguments, 0, nullptr));
  EXPECT_EQ(999 * 500, out.host()[0]);
}

TEST(Launch, AFunctionKnowsItself) {
  cudaFuncAttributes attributes;
  OK(cudaFuncGetAttributes(&attributes, reverse));
  EXPECT_EQ(0u, attributes.sharedSizeBytes);
  EXPECT_GE(attributes.maxThreadsPerBlock, 256);
  EXPECT_GT(attributes.numRegs, 0);
  OK(cudaFuncSetAttribute(reverse, cudaFuncAttributeMaxDynamicSharedMemorySize, 60 * 1024));
  OK(cudaFuncGetAttributes(&attributes, reverse));
  EXPECT_EQ(60 * 1024, attributes.maxDynamicSharedSizeBytes);
  FAILS(cudaErrorInvalidValue, cudaFuncSetAttribute(reverse, cudaFuncAttributeMax, 1));

  const char* name = nullptr;
  OK(cudaFuncGetName(&name, by_value));
  EXPECT_NE(nullptr, strstr(name, "by_value"));
  size_t offset = 1, size = 0;
  OK(cudaFuncGetParamInfo(reinterpret_cast<const void*>(by_value), 0, &offset, &size));
  EXPECT_EQ(0u, offset);
  EXPECT_EQ(sizeof(Big), size);
  OK(cudaFuncGetParamInfo(reinterpret_cast<const void*>(by_value), 1, &offset, &size));
  EXPECT_EQ(sizeof(Big), offset);
  EXPECT_EQ(1u, size);
  FAILS(cudaErrorInvalidValue,
        cudaFuncGetParamInfo(reinterpret_cast<const void*>(by_value), 2, &offset, &size));
}

TEST(Launch, OccupancyFitsTheDevice) {
  int blocks = 0, grid = 0, block = 0;
  cudaDeviceProp device;
  OK(cudaGetDeviceProperties(&device, 0));
  OK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, reverse, 256, 1024));
  EXPECT_GT(blocks, 0);
  EXPECT_LE(blocks * 256, device.maxThreadsPerMultiProcessor);
  OK(cudaOccupancyMaxPotentialBlockSize(&grid, &block, scaled));
  EXPECT_GT(grid, 0);
  EXPECT_LE(block, device.maxThreadsPerBlock);
}

TEST(Symbols, VariablesAreReadAndWrittenByName) {
  int value = 0;
  OK(cudaMemcpyFromSymbol(&value, counter, sizeof value));
  EXPECT_EQ(7, value);
  value = 40;
  OK(cudaMemcpyToSymbol(counter, &value, sizeof value));
  count_up<<<1, 2>>>();
  OK(cudaMemcpyFromSymbol(&value, counter, sizeof value));
  EXPECT_EQ(42, value);
  EXPECT_EQ(1042, run_in_second_image(1000)) << "its own `counter` starts at 42";
}

TEST(Symbols, ConstantsReachTheKernel) {
  Buffer<float> floats(32);
  scaled<<<1, 32>>>(floats);
  for (int i = 0; i < 32; ++i) ASSERT_EQ(2.5f * static_cast<float>(i), floats.host()[i]);

  const std::vector<int> numbers = counting(64, 5);
  OK(cudaMemcpyToSymbol(weights, numbers.data(), 64 * sizeof(int)));
  Buffer<int> ints(64);
  weighted<<<1, 64>>>(ints);
  for (int i = 0; i < 64; ++i) ASSERT_EQ((5 + i) * (1 + i % 4), ints.host()[i]);
}

TEST(Symbols, PartsAndBoundsOfAVariable) {
  int* address = nullptr;
  size_t size = 0;
  OK(cudaGetSymbolAddress(reinterpret_cast<void**>(&address), table));
  OK(cudaGetSymbolSize(&size, table));
  EXPECT_EQ(4 * sizeof(int), size);
  int value = 0;
  OK(cudaMemcpyFromSymbol(&value, table, sizeof value, 2 * sizeof(int)));
  EXPECT_EQ(3, value);
  OK(cudaMemcpy(&value, address + 3, sizeof value, cudaMemcpyDeviceToHost));
  EXPECT_EQ(4, value);
  FAILS(cudaErrorInvalidValue, cudaMemcpyFromSymbol(&value, table, 8, 3 * sizeof(int)));
  FAILS(cudaErrorInvalidMemcpyDirection,
        cudaMemcpyFromSymbol(&value, table, 4, 0, cudaMemcpyHostToDevice));
  FAILS(cudaErrorInvalidSymbol, cudaMemcpyFromSymbol(&value, value, 4));
}

TEST(Symbols, ManagedVariablesAreOneForHostAndDevice) {
  cudaPointerAttributes attributes;
  OK(cudaPointerGetAttributes(&attributes, &shared_with_host));
  if (attributes.type != cudaMemoryTypeManaged)
    GTEST_SKIP() << "this driver keeps managed variables where only the device reaches them";
  EXPECT_EQ(11, shared_with_host);
  shared_with_host = 20;
  touch_managed<<<1, 1>>>();
  OK(cudaDeviceSynchronize());
  EXPECT_EQ(21, shared_with_host);
}

}  // namespace
