// SPDX-License-Identifier: Apache-2.0
// Jobs that need more memory than there is, for bench_mover:
//   mover_job scan TENSORS MIB WARMUP CYCLES   tensors of one size, changed one after the other
//   mover_job gpt|unet STEPS                   the tensors of a model in training (models.h)
//   mover_job link MIB                         copies both ways at once: the link's own rate
// Every word that is looked at afterwards must hold what was added to it. Prints the seconds of the
// scan's cycles, or the link's GB/s. Marks the steady state of the scan by snapshots of the
// simulator.
#include <cuda.h>
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench_kernels_ptx.h"
#include "tests/bench/models.h"
#include "tests/support/stage.h"

namespace {

using Steady = std::chrono::steady_clock;

double seconds_since(Steady::time_point begin) {
  return std::chrono::duration<double>(Steady::now() - begin).count();
}

constexpr uint32_t kStride = 16384;  // words between those that are changed

CUfunction touch_kernel = nullptr;

struct Tensor {
  CUdeviceptr address = 0;
  uint64_t bytes = 0;
  uint32_t value = 0;  // what the words at each stride hold
};

Tensor allocate(uint64_t bytes, CUstream stream) {
  static uint32_t number = 0;
  Tensor tensor{0, bytes, ++number};
  if (stream)
    MUST(cuMemAllocAsync(&tensor.address, bytes, stream));
  else
    MUST(cuMemAlloc(&tensor.address, bytes));
  MUST(cuMemsetD32Async(tensor.address, tensor.value, bytes / 4, stream));
  return tensor;
}

void release(const Tensor& tensor, CUstream stream) {
  MUST(cuMemFreeAsync(tensor.address, stream));
}

void touch(Tensor& tensor, CUstream stream) {
  uint32_t words = static_cast<uint32_t>(tensor.bytes / 4), stride = kStride, one = 1;
  void* arguments[] = {&tensor.address, &words, &stride, &one};
  MUST(cuLaunchKernel(touch_kernel, 2, 1, 1, 128, 1, 1, 0, stream, arguments, nullptr));
  tensor.value++;
}

// The first word of the first, the middle and the last stride.
void check(const Tensor& tensor) {
  const uint64_t strides = (tensor.bytes / 4 + kStride - 1) / kStride;
  for (const uint64_t at : {uint64_t{0}, strides / 2, strides - 1}) {
    uint32_t seen = 0;
    MUST(cuMemcpyDtoH(&seen, tensor.address + at * kStride * 4, 4));
    if (seen == tensor.value) continue;
    std::fprintf(stderr, "mover_job: a tensor of %llu bytes holds %u instead of %u\n",
                 static_cast<unsigned long long>(tensor.bytes), seen, tensor.value);
    std::exit(1);
  }
}

void snapshot(const char* name) {
  static const auto take =
      reinterpret_cast<void (*)(const char*)>(dlsym(RTLD_DEFAULT, "simcuda_snapshot"));
  if (take) take(name);
}

void scan(int count, uint64_t bytes, int warm_up, int cycles, CUstream stream) {
  auto begin = Steady::now();
  std::vector<Tensor> tensors;
  for (int i = 0; i < count; i++) tensors.push_back(allocate(bytes, nullptr));
  MUST(cuCtxSynchronize());
  for (int cycle = 0; cycle < warm_up + cycles; cycle++) {
    if (cycle == warm_up) {
      MUST(cuCtxSynchronize());
      snapshot("steady");
      begin = Steady::now();
    }
    for (Tensor& tensor : tensors) touch(tensor, stream);
  }
  snapshot("submitted");
  MUST(cuCtxSynchronize());
  std::printf("seconds %.6f\n", seconds_since(begin));
  snapshot("done");
  for (const Tensor& tensor : tensors) check(tensor);
}

void measure_link(uint64_t bytes) {
  constexpr int kRounds = 10;
  CUdeviceptr device[2];
  void* host[2];
  CUstream lanes[2];
  for (int i = 0; i < 2; i++) {
    MUST(cuMemAlloc(&device[i], bytes));
    MUST(cuMemHostAlloc(&host[i], bytes, 0));
    MUST(cuStreamCreate(&lanes[i], CU_STREAM_NON_BLOCKING));
  }
  const auto round = [&] {
    MUST(cuMemcpyHtoDAsync(device[0], host[0], bytes, lanes[0]));
    MUST(cuMemcpyDtoHAsync(host[1], device[1], bytes, lanes[1]));
  };
  round();
  MUST(cuCtxSynchronize());
  const auto begin = Steady::now();
  for (int i = 0; i < kRounds; i++) round();
  MUST(cuCtxSynchronize());
  std::printf("rate %.3f\n", 2e-9 * kRounds * static_cast<double>(bytes) / seconds_since(begin));
}

void train(const bench::Model& model, int steps, CUstream stream) {
  std::vector<std::vector<Tensor>> weights(model.size());
  for (size_t i = 0; i < model.size(); i++)
    for (const uint64_t bytes : model[i].weights)
      for (int copy = 0; copy < bench::kCopiesOfWeights; copy++)
        weights[i].push_back(allocate(bytes, nullptr));
  MUST(cuCtxSynchronize());
  for (int step = 0; step < steps; step++) {
    std::vector<std::vector<Tensor>> kept(model.size());
    for (size_t i = 0; i < model.size(); i++) {
      for (size_t w = 0; w < weights[i].size(); w += bench::kCopiesOfWeights)
        touch(weights[i][w], stream);
      for (const uint64_t bytes : model[i].activations) {
        kept[i].push_back(allocate(bytes, stream));
        touch(kept[i].back(), stream);
      }
    }
    for (size_t i = model.size(); i-- > 0;) {
      for (auto each = kept[i].rbegin(); each != kept[i].rend(); ++each) {
        touch(*each, stream);
        if (each == kept[i].rbegin() && i % 8 == 0) {
          MUST(cuStreamSynchronize(stream));
          check(*each);
        }
        release(*each, stream);
      }
      for (size_t w = 0; w < weights[i].size(); w += bench::kCopiesOfWeights) {
        touch(weights[i][w], stream);
        touch(weights[i][w + 1], stream);
      }
    }
    for (auto& layer : weights)
      for (Tensor& tensor : layer) touch(tensor, stream);
  }
  MUST(cuCtxSynchronize());
  for (const auto& layer : weights)
    for (const Tensor& tensor : layer) check(tensor);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (!(what == "scan" && argc == 6) &&
      !(argc == 3 && (what == "gpt" || what == "unet" || what == "link"))) {
    std::fprintf(
        stderr,
        "usage: mover_job scan TENSORS MIB WARMUP CYCLES | gpt STEPS | unet STEPS | link MIB\n");
    return 2;
  }
  const support::Stage stage = support::set_stage(bench_kernels_ptx);
  const CUstream stream = stage.stream;
  touch_kernel = stage.function("touch");
  if (what == "scan")
    scan(std::atoi(argv[2]), std::strtoull(argv[3], nullptr, 10) << 20, std::atoi(argv[4]),
         std::atoi(argv[5]), stream);
  else if (what == "link")
    measure_link(std::strtoull(argv[2], nullptr, 10) << 20);
  else
    train(bench::model(what), std::atoi(argv[2]), stream);
  return 0;
}
