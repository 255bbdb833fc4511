// SPDX-License-Identifier: Apache-2.0
// Times launches of no-op kernels in one process: for each shape of parameters one line with the
// median over many short batches, in nanoseconds a launch. bench_launch runs it with a library in
// front and without.
#include <cuda.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench_kernels_ptx.h"
#include "tests/bench/shapes.h"
#include "tests/support/stage.h"

namespace {

using bench::Shape;

// Short enough that a GPU's launch queue never fills, long enough for the clock.
constexpr int kBatch = 256;
constexpr size_t kBufferBytes = size_t{4} << 20;

struct Prepared {
  CUfunction function = nullptr;
  CUdeviceptr pointers[bench::kMostPointers] = {};
  uint64_t block[64] = {};
  std::vector<void*> arguments;
  std::vector<double> samples;
};

double batch(const Prepared& one, CUstream stream) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kBatch; ++i) {
    MUST(cuLaunchKernel(one.function, 1, 1, 1, 32, 1, 1, 0, stream,
                        const_cast<void**>(one.arguments.data()), nullptr));
  }
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
  return spent.count() / kBatch;
}

}  // namespace

int main(int argc, char** argv) {
  const int batches = argc > 1 ? std::atoi(argv[1]) : 400;
  const support::Stage stage = support::set_stage(bench_kernels_ptx);
  const CUstream stream = stage.stream;
  CUdeviceptr buffers[bench::kMostPointers];
  for (CUdeviceptr& buffer : buffers) MUST(cuMemAlloc(&buffer, kBufferBytes));

  std::vector<Prepared> prepared(std::size(bench::kShapes));
  for (size_t i = 0; i < prepared.size(); ++i) {
    const Shape& shape = bench::kShapes[i];
    Prepared& one = prepared[i];
    one.function = stage.function(shape.kernel);
    // Interior pointers, as frameworks pass them.
    for (int k = 0; k < bench::kMostPointers; ++k) one.pointers[k] = buffers[k] + 4096 * k;
    if (shape.block) {
      for (int k = 0; k < 64; ++k) one.block[k] = k % 8 == 3 ? one.pointers[k / 8] : k * 12345;
      one.arguments.push_back(one.block);
    }
    for (int k = 0; k < shape.pointers; ++k) one.arguments.push_back(&one.pointers[k]);
  }
  // Shapes take turns, so that a slow moment of the machine meets all of them.
  constexpr int kWarmUp = 10;
  for (int round = 0; round < batches + kWarmUp; ++round) {
    for (Prepared& one : prepared) {
      const double sample = batch(one, stream);
      if (round >= kWarmUp) one.samples.push_back(sample);
      MUST(cuStreamSynchronize(stream));
    }
  }
  for (size_t i = 0; i < prepared.size(); ++i) {
    std::vector<double>& samples = prepared[i].samples;
    std::nth_element(samples.begin(), samples.begin() + samples.size() / 2, samples.end());
    std::printf("%s %.2f\n", bench::kShapes[i].kernel, samples[samples.size() / 2]);
  }
  return 0;
}
