// SPDX-License-Identifier: Apache-2.0
// Times pairs of an allocation and its free in one process, when both are served from a cache: one
// line for each kind with the median over many short batches, in nanoseconds a pair. bench_alloc
// runs it with a library in front and without.
#include <cuda.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/support/stage.h"

namespace {

constexpr int kBatch = 32, kWarmUp = 5;
constexpr size_t kBytes = size_t{2} << 20;

template <class Pair>
double batch(Pair&& pair) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kBatch; ++i) pair();
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
  return spent.count() / kBatch;
}

double median(std::vector<double>& samples) {
  std::nth_element(samples.begin(), samples.begin() + samples.size() / 2, samples.end());
  return samples[samples.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const int batches = argc > 1 ? std::atoi(argv[1]) : 40;
  const support::Stage stage = support::set_stage(nullptr);
  const CUstream stream = stage.stream;
  CUmemoryPool pool = nullptr;
  cuuint64_t keep = UINT64_MAX;  // as frameworks do: what is freed stays in the pool
  MUST(cuDeviceGetDefaultMemPool(&pool, stage.device));
  MUST(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
  std::vector<double> ordered, plain;
  for (int round = 0; round < batches + kWarmUp; ++round) {
    const double one = batch([&] {
      CUdeviceptr memory = 0;
      MUST(cuMemAllocAsync(&memory, kBytes, stream));
      MUST(cuMemFreeAsync(memory, stream));
    });
    MUST(cuStreamSynchronize(stream));
    const double two = batch([&] {
      CUdeviceptr memory = 0;
      MUST(cuMemAlloc(&memory, kBytes));
      MUST(cuMemFree(memory));
    });
    MUST(cuCtxSynchronize());
    if (round < kWarmUp) continue;
    ordered.push_back(one);
    plain.push_back(two);
  }
  std::printf("ordered %.1f\nplain %.1f\n", median(ordered), median(plain));
  return 0;
}
