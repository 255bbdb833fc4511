// SPDX-License-Identifier: Apache-2.0
// Allocation and copies of every form, compared with the same copy done on the host.
#include <cstring>

#include "cudart_support.h"

namespace {

__global__ void increment(int* values, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) ++values[i];
}

TEST(Memory, ZeroBytesAreANullPointer) {
  void* address = &address;
  OK(cudaMalloc(&address, 0));
  EXPECT_EQ(nullptr, address);
  OK(cudaFree(nullptr));
  address = &address;
  OK(cudaMallocHost(&address, 0));
  EXPECT_EQ(nullptr, address);
  OK(cudaFreeHost(nullptr));
  OK(cudaMemcpy(nullptr, nullptr, 0, cudaMemcpyHostToDevice));
  OK(cudaMemset(nullptr, 0, 0));
}

TEST(Memory, TheWrongThingsAreRefused) {
  Buffer<int> buffer(16);
  int host = 0;
  void* address = nullptr;
  FAILS(cudaErrorInvalidValue, cudaMalloc(nullptr, 16));
  FAILS(cudaErrorMemoryAllocation, cudaMalloc(&address, size_t{1} << 50));
  FAILS(cudaErrorInvalidValue, cudaFree(buffer + 1));
  FAILS(cudaErrorInvalidValue, cudaFree(&host));
  FAILS(cudaErrorInvalidMemcpyDirection,
        cudaMemcpy(buffer, &host, 4, static_cast<cudaMemcpyKind>(9)));
  FAILS(cudaErrorInvalidPitchValue,
        cudaMemcpy2D(buffer, 4, &host, 4, 8, 2, cudaMemcpyHostToDevice));
  FAILS(cudaErrorInvalidValue,
        cudaMemcpy(buffer, &host, 17 * sizeof(int), cudaMemcpyDeviceToDevice));
}

TEST(Memory, EveryKindOfCopyMovesTheBytes) {
  const std::vector<int> source = counting(5000);
  Buffer<int> a(5000), b(5000);
  std::vector<int> back(5000), again(5000);
  OK(cudaMemcpy(a, source.data(), a.bytes(), cudaMemcpyHostToDevice));
  OK(cudaMemcpy(b, a, a.bytes(), cudaMemcpyDeviceToDevice));
  OK(cudaMemcpy(back.data(), b, b.bytes(), cudaMemcpyDeviceToHost));
  EXPECT_EQ(source, back);
  OK(cudaMemcpy(again.data(), back.data(), b.bytes(), cudaMemcpyHostToHost));
  EXPECT_EQ(source, again);
  increment<<<40, 128>>>(b, 5000);
  OK(cudaMemcpy(back.data(), b, b.bytes(), cudaMemcpyDefault));
  EXPECT_EQ(counting(5000, 1), back);
  OK(cudaMemcpy(a, back.data(), a.bytes(), cudaMemcpyDefault));
  EXPECT_EQ(back, a.host());
}

TEST(Memory, SetsReachTheLastByteAndNoFurther) {
  Buffer<unsigned char> buffer(100);
  OK(cudaMemset(buffer, 0x11, 100));
  OK(cudaMemset(buffer + 10, 0xAB, 33));
  std::vector<unsigned char> expected(100, 0x11);
  std::fill(expected.begin() + 10, expected.begin() + 43, 0xAB);
  EXPECT_EQ(expected, buffer.host());
}

TEST(Memory, PitchedCopiesAndSets) {
  constexpr size_t kWidth = 100, kHeight = 7;
  unsigned char* device = nullptr;
  size_t pitch = 0;
  OK(cudaMallocPitch(&device, &pitch, kWidth, kHeight));
  EXPECT_GE(pitch, kWidth);
  EXPECT_EQ(0u, pitch % 32);
  std::vector<unsigned char> source(120 * kHeight), back(130 * kHeight, 0xEE);
  for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<unsigned char>(i * 7);
  OK(cudaMemcpy2D(device, pitch, source.data(), 120, kWidth, kHeight, cudaMemcpyHostToDevice));
  OK(cudaMemset2D(device + pitch + 5, pitch, 0x55, 10, 3));
  OK(cudaMemcpy2D(back.data(), 130, device, pitch, kWidth, kHeight, cudaMemcpyDeviceToHost));
  for (size_t y = 0; y < kHeight; ++y)
    for (size_t x = 0; x < 130; ++x) {
      const bool set = y >= 1 && y < 4 && x >= 5 && x < 15;
      const int expected = x >= kWidth ? 0xEE : set ? 0x55 : source[y * 120 + x];
      ASSERT_EQ(expected, back[y * 130 + x]) << x << "," << y;
    }
  OK(cudaFree(device));
}

TEST(Memory, ABoxInsideABox) {
  const cudaExtent whole = make_cudaExtent(64, 5, 4);
  cudaPitchedPtr device{};
  OK(cudaMalloc3D(&device, whole));
  OK(cudaMemset3D(device, 0x77, whole));
  std::vector<unsigned char> source(20 * 3 * 2), back(64 * 5 * 4);
  for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<unsigned char>(i);
  cudaMemcpy3DParms in{};
  in.srcPtr = make_cudaPitchedPtr(source.data(), 20, 20, 3);
  in.dstPtr = device;
  in.dstPos = make_cudaPos(7, 1, 2);
  in.extent = make_cudaExtent(20, 3, 2);
  in.kind = cudaMemcpyHostToDevice;
  OK(cudaMemcpy3D(&in));
  cudaMemcpy3DParms out{};
  out.srcPtr = device;
  out.dstPtr = make_cudaPitchedPtr(back.data(), 64, 64, 5);
  out.extent = whole;
  out.kind = cudaMemcpyDeviceToHost;
  OK(cudaMemcpy3D(&out));
  for (int z = 0; z < 4; ++z)
    for (int y = 0; y < 5; ++y)
      for (int x = 0; x < 64; ++x) {
        const bool inside = x >= 7 && x < 27 && y >= 1 && y < 4 && z >= 2;
        const int expected = inside ? source[((z - 2) * 3 + y - 1) * 20 + x - 7] : 0x77;
        ASSERT_EQ(expected, back[(z * 5 + y) * 64 + x]) << x << "," << y << "," << z;
      }
  OK(cudaFree(device.ptr));
}

TEST(Memory, PinnedMemoryIsSeenByTheDevice) {
  int *host = nullptr, *alias = nullptr;
  unsigned flags = 0;
  OK(cudaHostAlloc(&host, 100 * sizeof(int), cudaHostAllocMapped | cudaHostAllocPortable));
  OK(cudaHostGetDevicePointer(&alias, host, 0));
  OK(cudaHostGetFlags(&flags, host));
  EXPECT_NE(0u, flags & cudaHostAllocPortable);
  for (int i = 0; i < 100; ++i) host[i] = i;
  increment<<<1, 128>>>(alias, 100);
  OK(cudaDeviceSynchronize());
  for (int i = 0; i < 100; ++i) ASSERT_EQ(i + 1, host[i]);
  OK(cudaFreeHost(host));
}

TEST(Memory, RegisteredMemoryIsSeenByTheDevice) {
  std::vector<int> host = counting(4096);
  int* alias = nullptr;
  OK(cudaHostRegister(host.data(), host.size() * sizeof(int), cudaHostRegisterMapped));
  FAILS(cudaErrorHostMemoryAlreadyRegistered,
        cudaHostRegister(host.data(), host.size() * sizeof(int), cudaHostRegisterDefault));
  OK(cudaHostGetDevicePointer(&alias, host.data(), 0));
  increment<<<32, 128>>>(alias, 4096);
  OK(cudaDeviceSynchronize());
  EXPECT_EQ(counting(4096, 1), host);
  OK(cudaHostUnregister(host.data()));
  FAILS(cudaErrorHostMemoryNotRegistered, cudaHostUnregister(host.data()));
}

TEST(Memory, PointersSayWhatTheyAre) {
  Buffer<int> device(16);
  int* pinned = nullptr;
  int local = 0;
  OK(cudaMallocHost(&pinned, 64));
  cudaPointerAttributes attributes;
  OK(cudaPointerGetAttributes(&attributes, device + 3));
  EXPECT_EQ(cudaMemoryTypeDevice, attributes.type);
  EXPECT_EQ(device + 3, attributes.devicePointer);
  EXPECT_EQ(0, attributes.device);
  OK(cudaPointerGetAttributes(&attributes, pinned));
  EXPECT_EQ(cudaMemoryTypeHost, attributes.type);
  EXPECT_EQ(pinned, attributes.hostPointer);
  OK(cudaPointerGetAttributes(&attributes, &local));
  EXPECT_EQ(cudaMemoryTypeUnregistered, attributes.type);
  OK(cudaFreeHost(pinned));
}

TEST(Memory, ManagedMemoryIsOneForBoth) {
  int* values = nullptr;
  OK(cudaMallocManaged(&values, 256 * sizeof(int)));
  for (int i = 0; i < 256; ++i) values[i] = i;
  increment<<<2, 128>>>(values, 256);
  OK(cudaDeviceSynchronize());
  for (int i = 0; i < 256; ++i) ASSERT_EQ(i + 1, values[i]);
  cudaPointerAttributes attributes;
  OK(cudaPointerGetAttributes(&attributes, values));
  EXPECT_EQ(cudaMemoryTypeManaged, attributes.type);
  OK(cudaFree(values));
}

TEST(Memory, FreeAndTotalFollowAllocation) {
  size_t before = 0, during = 0, total = 0;
  OK(cudaMemGetInfo(&before, &total));
  {
    Buffer<char> buffer(size_t{64} << 20);
    OK(cudaMemGetInfo(&during, &total));
  }
  EXPECT_GE(before - during, size_t{64} << 20);
  size_t after = 0;
  OK(cudaMemGetInfo(&after, &total));
  EXPECT_EQ(before, after);
}

TEST(Pools, AllocationsAreOrderedInTheirStream) {
  cudaStream_t stream;
  OK(cudaStreamCreate(&stream));
  std::vector<int> back(1000);
  for (int round = 0; round < 20; ++round) {
    int* values = nullptr;
    OK(cudaMallocAsync(&values, 4000, stream));
    OK(cudaMemsetAsync(values, 0, 4000, stream));
    increment<<<8, 128, 0, stream>>>(values, 1000);
    OK(cudaMemcpyAsync(back.data(), values, 4000, cudaMemcpyDeviceToHost, stream));
    OK(cudaFreeAsync(values, stream));
    OK(cudaStreamSynchronize(stream));
    ASSERT_EQ(std::vector<int>(1000, 1), back);
  }
  OK(cudaStreamDestroy(stream));
}

TEST(Pools, APoolOfOnesOwn) {
  cudaMemPoolProps props{};
  props.allocType = cudaMemAllocationTypePinned;
  props.location.type = cudaMemLocationTypeDevice;
  props.location.id = 0;
  cudaMemPool_t pool, device_pool;
  OK(cudaMemPoolCreate(&pool, &props));
  OK(cudaDeviceGetDefaultMemPool(&device_pool, 0));
  EXPECT_NE(pool, device_pool);
  unsigned long long keep = 1 << 20, reserved = 0, used = 0;
  OK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep));
  int* values = nullptr;
  OK(cudaMallocFromPoolAsync(&values, 8 << 20, pool, nullptr));
  OK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used));
  EXPECT_GE(used, 8ull << 20);
  OK(cudaFreeAsync(values, nullptr));
  OK(cudaDeviceSynchronize());
  OK(cudaMemPoolTrimTo(pool, 0));
  OK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &reserved));
  EXPECT_EQ(0u, reserved);
  OK(cudaMemPoolDestroy(pool));
}

}  // namespace
