// SPDX-License-Identifier: Apache-2.0
// Compiled with --default-stream per-thread: a null stream is the calling thread's own.
#include <atomic>
#include <thread>

#include "cudart_support.h"

namespace {

__global__ void increment(int* values) {
  ++values[blockIdx.x * blockDim.x + threadIdx.x];
}

TEST(PerThread, NullStreamsOfTwoThreadsDoNotWaitForEachOther) {
  std::atomic<bool> go{false}, blocked{false};
  std::thread other([&] {
    cudaLaunchHostFunc(
        nullptr,
        [](void* flag) {
          while (!static_cast<std::atomic<bool>*>(flag)->load()) std::this_thread::yield();
        },
        &go);
    blocked = true;
    cudaStreamSynchronize(nullptr);
  });
  while (!blocked) std::this_thread::yield();
  Buffer<int> values(std::vector<int>(256, 1));
  increment<<<2, 128>>>(values);
  OK(cudaStreamSynchronize(nullptr));  // would hang on the legacy stream
  EXPECT_EQ(std::vector<int>(256, 2), values.host());
  go = true;
  other.join();
}

TEST(PerThread, NullAndTheNamedHandleAreOneStream) {
  unsigned long long null_id = 0, named_id = 1, legacy_id = 1, other_id = 0;
  OK(cudaStreamGetId(nullptr, &null_id));
  OK(cudaStreamGetId(cudaStreamPerThread, &named_id));
  OK(cudaStreamGetId(cudaStreamLegacy, &legacy_id));
  EXPECT_EQ(named_id, null_id);
  EXPECT_NE(legacy_id, null_id);
  std::thread([&] { cudaStreamGetId(nullptr, &other_id); }).join();
  EXPECT_NE(other_id, null_id);
}

TEST(PerThread, EntryPointsComeInThePerThreadForm) {
  void *plain = nullptr, *legacy = nullptr, *per_thread = nullptr;
  cudaDriverEntryPointQueryResult found;
  OK(cudaGetDriverEntryPointByVersion("cuLaunchKernel", &plain, 13000, cudaEnableDefault, &found));
  OK(cudaGetDriverEntryPointByVersion("cuLaunchKernel", &legacy, 13000, cudaEnableLegacyStream,
                                      &found));
  OK(cudaGetDriverEntryPointByVersion("cuLaunchKernel", &per_thread, 13000,
                                      cudaEnablePerThreadDefaultStream, &found));
  EXPECT_EQ(per_thread, plain);
  EXPECT_NE(legacy, plain);
}

TEST(PerThread, EveryFormOfCopyFollowsItsThread) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int self = 0; self < 4; ++self)
    threads.emplace_back([self, &wrong] {
      int* values = nullptr;
      if (cudaMallocAsync(&values, 1024, nullptr) != cudaSuccess) ++wrong;
      for (int round = 0; round < 20; ++round) {
        std::vector<int> host(256, self), back(256);
        cudaMemcpyAsync(values, host.data(), 1024, cudaMemcpyHostToDevice);
        increment<<<2, 128>>>(values);
        cudaMemcpy2D(back.data(), 512, values, 512, 512, 2, cudaMemcpyDeviceToHost);
        if (back != std::vector<int>(256, self + 1)) ++wrong;
        cudaMemset(values, 0, 1024);
      }
      if (cudaFreeAsync(values, nullptr) != cudaSuccess) ++wrong;
      if (cudaStreamSynchronize(nullptr) != cudaSuccess) ++wrong;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(0, wrong.load());
}

}  // namespace
