// SPDX-License-Identifier: Apache-2.0
// Work that keeps the GPU or the driver busy while something else is measured.
#pragma once

#include <thread>
#include <vector>

#include "tests/gpu/gpu.h"

namespace probe {

// A kernel of one warp that runs until it is told to stop (or for some seconds, should we die).
class LongKernel {
 public:
  // reading: an address that it reads all the while; 0: none.
  explicit LongKernel(const Gpu& gpu, CUdeviceptr reading = 0, size_t bytes = 0);
  ~LongKernel() { stop(); }
  bool running() const { return cu().cuStreamQuery.attempt(stream_) == CUDA_ERROR_NOT_READY; }
  CUresult stop();  // waits for it; how it ended

 private:
  Stream stream_;
  HostMemory words_;  // [0] stop, [1] started
};

// Replays a graph of `nodes` small kernels, one replay at a time, on a thread of its own.
class GraphReplays {
 public:
  explicit GraphReplays(const Gpu& gpu, int nodes);
  std::vector<double> stop();  // microseconds of each replay

 private:
  std::vector<double> times_;
  std::jthread thread_;
};

// Launches an empty kernel at full rate on a thread of its own.
class LaunchStorm {
 public:
  explicit LaunchStorm(const Gpu& gpu);
  std::vector<double> stop();  // microseconds of each launch call

 private:
  std::vector<double> times_;
  std::jthread thread_;
};

}  // namespace probe
