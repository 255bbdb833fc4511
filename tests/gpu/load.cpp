// SPDX-License-Identifier: Apache-2.0
#include "tests/gpu/load.h"

namespace probe {
namespace {

// An end to the kernel even if the host never says stop, or waits for it: one or two microseconds
// each on a GPU, so later than the longest measurement beside it and sooner than a probe's time
// limit.
constexpr unsigned kMaxPolls = 12'000'000;
constexpr size_t kMaxSamples = 2'000'000;

// The latest kMaxSamples, however long the load runs.
class Samples {
 public:
  explicit Samples(std::vector<double>& values) : values_(values) { values_.reserve(kMaxSamples); }
  void add(double value) {
    if (values_.size() < kMaxSamples)
      values_.push_back(value);
    else
      values_[next_++ % kMaxSamples] = value;
  }

 private:
  std::vector<double>& values_;
  size_t next_ = 0;
};

}  // namespace

LongKernel::LongKernel(const Gpu& gpu, CUdeviceptr reading, size_t bytes) : words_(4096) {
  CUdeviceptr word = words_.device(), started = word + 64, sink = word + 128;
  if (reading)
    gpu.kernels().spin_reading.launch(1, 32, stream_, word, kMaxPolls, started, reading,
                                      uint64_t{bytes / 8}, sink);
  else
    gpu.kernels().spin.launch(1, 32, stream_, word, kMaxPolls, started);
  volatile unsigned* begun = words_.as<volatile unsigned>() + 16;
  for (double begin = now_us(); !*begun && now_us() - begin < 5e6;) std::this_thread::yield();
  if (*begun) return;
  stop();
  throw std::runtime_error("the long kernel did not start within 5 s");
}

CUresult LongKernel::stop() {
  *words_.as<volatile unsigned>() = 1;
  return cu().cuStreamSynchronize.attempt(stream_);
}

GraphReplays::GraphReplays(const Gpu& gpu, int nodes) {
  thread_ = std::jthread([this, &gpu, nodes](std::stop_token token) {
    try {
      gpu.enter_thread();
      Stream stream;
      HostMemory sink(4096);
      unsigned rounds = gpu.small() ? 10 : 5000;
      Graph graph([&](CUstream capturing) {
        for (int i = 0; i < nodes; ++i)
          gpu.kernels().busy.launch(4, 128, capturing, sink.device(), rounds);
      });
      Samples samples(times_);
      while (!token.stop_requested())
        samples.add(timed_us([&] {
          cu().cuGraphLaunch(graph, stream);
          cu().cuStreamSynchronize(stream);
        }));
    } catch (const CudaError&) {
      times_.clear();  // stop() reports it
    }
  });
}

std::vector<double> GraphReplays::stop() {
  thread_.request_stop();
  thread_.join();
  if (times_.empty()) throw std::runtime_error("graph replay failed in its thread");
  return std::move(times_);
}

LaunchStorm::LaunchStorm(const Gpu& gpu) {
  thread_ = std::jthread([this, &gpu](std::stop_token token) {
    try {
      gpu.enter_thread();
      Stream stream;
      // The queue of a stream is finite (about a thousand launches): drained before it fills, or
      // the launch call would wait for the GPU and not for the driver's locks.
      constexpr int kBurst = 256;
      Samples samples(times_);
      while (!token.stop_requested()) {
        for (int i = 0; i < kBurst; ++i)
          samples.add(timed_us([&] { gpu.kernels().nop.launch(1, 32, stream); }));
        cu().cuStreamSynchronize(stream);
      }
    } catch (const CudaError&) {
      times_.clear();
    }
  });
}

std::vector<double> LaunchStorm::stop() {
  thread_.request_stop();
  thread_.join();
  if (times_.empty()) throw std::runtime_error("launching failed in its thread");
  return std::move(times_);
}

}  // namespace probe
