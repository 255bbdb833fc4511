// SPDX-License-Identifier: Apache-2.0
// Order between streams, events and host functions. The simulated schedule is random: what the
// program does not order, some seed runs the other way round.
#include <atomic>
#include <thread>

#include "cudart_support.h"

namespace {

constexpr int kCount = 1 << 14;

__global__ void fill(int* values, int value) {
  values[blockIdx.x * blockDim.x + threadIdx.x] = value;
}
__global__ void add_from(int* to, const int* from) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  to[i] += from[i];
}
// Long enough that a missing wait is seen.
__global__ void slow_fill(int* values, int value) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  int x = value;
  for (int round = 0; round < 200; ++round) x = x * 3 + i;
  for (int round = 0; round < 200; ++round) x = (x - i) * -1431655765;  // 1/3 modulo 2^32
  values[i] = x;
}

TEST(Streams, AnEventOrdersTwoStreams) {
  cudaStream_t first, second;
  cudaEvent_t done;
  OK(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
  OK(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
  OK(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
  Buffer<int> a(kCount), b(kCount);
  for (int round = 0; round < 10; ++round) {
    OK(cudaMemsetAsync(b, 0, b.bytes(), second));
    slow_fill<<<kCount / 128, 128, 0, first>>>(a, round);
    OK(cudaEventRecord(done, first));
    OK(cudaStreamWaitEvent(second, done));
    add_from<<<kCount / 128, 128, 0, second>>>(b, a);
    OK(cudaEventRecord(done, second));
    OK(cudaStreamWaitEvent(first, done));
    OK(cudaStreamSynchronize(second));
    ASSERT_EQ(std::vector<int>(kCount, round), b.host());
  }
  OK(cudaEventDestroy(done));
  OK(cudaStreamDestroy(first));
  OK(cudaStreamDestroy(second));
}

TEST(Streams, TheLegacyStreamWaitsForBlockingStreamsAndTheyForIt) {
  cudaStream_t blocking;
  OK(cudaStreamCreate(&blocking));
  Buffer<int> a(kCount), b(kCount);
  for (int round = 1; round < 10; ++round) {
    slow_fill<<<kCount / 128, 128, 0, blocking>>>(a, round);
    OK(cudaMemcpyAsync(b, a, a.bytes(), cudaMemcpyDeviceToDevice, nullptr));
    add_from<<<kCount / 128, 128, 0, blocking>>>(b, a);
    OK(cudaStreamSynchronize(blocking));
    ASSERT_EQ(std::vector<int>(kCount, 2 * round), b.host());
  }
  OK(cudaStreamDestroy(blocking));
}

TEST(Streams, HostFunctionsRunInTheirPlace) {
  cudaStream_t stream;
  OK(cudaStreamCreate(&stream));
  int* pinned = nullptr;
  OK(cudaMallocHost(&pinned, kCount * sizeof(int)));
  Buffer<int> values(kCount);
  struct Look {
    const int* data;
    int seen;
  } look{pinned, -1};
  slow_fill<<<kCount / 128, 128, 0, stream>>>(values, 9);
  OK(cudaMemcpyAsync(pinned, values, values.bytes(), cudaMemcpyDeviceToHost, stream));
  OK(cudaLaunchHostFunc(
      stream,
      [](void* data) {
        auto* look = static_cast<Look*>(data);
        look->seen = look->data[kCount - 1];
      },
      &look));
  OK(cudaStreamAddCallback(
      stream,
      [](cudaStream_t, cudaError_t error, void* data) {
        if (error == cudaSuccess) static_cast<Look*>(data)->seen += 100;
      },
      &look, 0));
  OK(cudaStreamSynchronize(stream));
  EXPECT_EQ(109, look.seen);
  OK(cudaFreeHost(pinned));
  OK(cudaStreamDestroy(stream));
}

TEST(Streams, NotReadyIsAnAnswerAndNoError) {
  cudaStream_t stream;
  cudaEvent_t event;
  OK(cudaStreamCreate(&stream));
  OK(cudaEventCreate(&event));
  std::atomic<bool> go{false};
  OK(cudaLaunchHostFunc(
      stream,
      [](void* flag) {
        while (!static_cast<std::atomic<bool>*>(flag)->load()) std::this_thread::yield();
      },
      &go));
  OK(cudaEventRecord(event, stream));
  EXPECT_EQ(cudaErrorNotReady, cudaStreamQuery(stream));
  EXPECT_EQ(cudaErrorNotReady, cudaEventQuery(event));
  EXPECT_EQ(cudaSuccess, cudaGetLastError());
  go = true;
  OK(cudaEventSynchronize(event));
  OK(cudaEventQuery(event));
  OK(cudaStreamSynchronize(stream));
  OK(cudaStreamQuery(stream));
  OK(cudaEventDestroy(event));
  OK(cudaStreamDestroy(stream));
}

TEST(Streams, ElapsedTimeGrowsWithTheWork) {
  cudaEvent_t events[3];
  for (cudaEvent_t& event : events) OK(cudaEventCreate(&event));
  Buffer<int> values(kCount);
  OK(cudaEventRecord(events[0]));
  slow_fill<<<kCount / 128, 128>>>(values, 1);
  OK(cudaEventRecord(events[1]));
  for (int i = 0; i < 10; ++i) slow_fill<<<kCount / 128, 128>>>(values, i);
  OK(cudaEventRecord(events[2]));
  OK(cudaEventSynchronize(events[2]));
  float one = 0, ten = 0;
  OK(cudaEventElapsedTime(&one, events[0], events[1]));
  OK(cudaEventElapsedTime(&ten, events[1], events[2]));
  EXPECT_GT(one, 0);
  EXPECT_GT(ten, 4 * one);
  for (cudaEvent_t& event : events) OK(cudaEventDestroy(event));
}

TEST(Streams, AStreamKnowsHowItWasMade) {
  int least = 0, greatest = 0, priority = 1, device = -1;
  unsigned flags = 0;
  unsigned long long id = 0, other_id = 0;
  OK(cudaDeviceGetStreamPriorityRange(&least, &greatest));
  cudaStream_t stream, other;
  OK(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, greatest));
  OK(cudaStreamCreate(&other));
  OK(cudaStreamGetPriority(stream, &priority));
  OK(cudaStreamGetFlags(stream, &flags));
  OK(cudaStreamGetId(stream, &id));
  OK(cudaStreamGetId(other, &other_id));
  OK(cudaStreamGetDevice(stream, &device));
  EXPECT_EQ(greatest, priority);
  EXPECT_EQ(static_cast<unsigned>(cudaStreamNonBlocking), flags);
  EXPECT_NE(id, other_id);
  EXPECT_EQ(0, device);
  OK(cudaStreamDestroy(stream));
  OK(cudaStreamDestroy(other));
}

TEST(Streams, ManyThreadsEachWithAStream) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int self = 0; self < 8; ++self)
    threads.emplace_back([self, &wrong] {
      cudaStream_t stream;
      if (cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != cudaSuccess) ++wrong;
      int* values = nullptr;
      if (cudaMalloc(&values, kCount * sizeof(int)) != cudaSuccess) ++wrong;
      std::vector<int> back(kCount);
      for (int round = 0; round < 5; ++round) {
        fill<<<kCount / 128, 128, 0, stream>>>(values, self * 100 + round);
        cudaMemcpyAsync(back.data(), values, kCount * sizeof(int), cudaMemcpyDeviceToHost, stream);
        if (cudaStreamSynchronize(stream) != cudaSuccess) ++wrong;
        if (back != std::vector<int>(kCount, self * 100 + round)) ++wrong;
      }
      if (cudaFree(values) != cudaSuccess || cudaStreamDestroy(stream) != cudaSuccess) ++wrong;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(0, wrong.load());
}

}  // namespace
