// SPDX-License-Identifier: Apache-2.0
// What the loops in this folder are made of: the tensors of a job, and kernels that stand for its
// own. A kernel changes one word in each 64 KiB of every tensor that it writes, out of words of
// those that it reads, so that it costs an interpreter next to nothing; how long it takes on a GPU
// is written beside its name. The host does the same to a copy of these words, which is what must
// be found on the device: the loss in each iteration, and every word of what is left at the end.
//
// A loop lists its kernels in a .def file of the same name:
// KERNEL(name, microseconds, modes)
//   microseconds: for a unit of 1 MiB; in proportion to the loop's unit.
//   modes: a letter for each tensor, in the order of the arguments: w is overwritten as a whole, x
//   is changed, r is read. A kernel that only reads adds what it reads to the loss.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "tests/programs/mark.h"

namespace {

constexpr uint32_t kStride = 16384;  // words
constexpr int kMostOperands = 5;
constexpr int kThreads = 128;

// By value, as fused kernels take theirs.
struct Operands {
  uint32_t* words[kMostOperands];
  uint32_t counts[kMostOperands];  // of words that matter
  char modes[kMostOperands];
  int count;
  uint32_t salt;  // of the launch
};

// Where the k-th word that matters lies: on the device, not always at the beginning of its stride.
template <bool on_device>
__host__ __device__ uint32_t place(uint32_t k) {
  return on_device ? k * kStride + k * 977 % kStride : k;
}

// Does the words first, first + step, ... of a kernel's work; what it adds to the loss.
template <bool on_device>
__host__ __device__ uint32_t change(const Operands& o, uint32_t first, uint32_t step) {
  uint32_t sum = 0;
  bool writes = false;
  for (int to = 0; to < o.count; ++to) {
    if (o.modes[to] == 'r') continue;
    writes = true;
    for (uint32_t k = first; k < o.counts[to]; k += step) {
      uint32_t& word = o.words[to][place<on_device>(k)];
      uint32_t value = o.salt + to + 0x9e3779b1u * k + (o.modes[to] == 'x' ? 5 * word : 0);
      for (int from = 0; from < o.count; ++from)
        if (o.modes[from] == 'r')
          value = 31 * value + o.words[from][place<on_device>(k % o.counts[from])];
      word = value;
    }
  }
  for (int from = 0; from < o.count && !writes; ++from)
    for (uint32_t k = first; k < o.counts[from]; k += step)
      sum += o.words[from][place<on_device>(k)];
  return sum;
}

__device__ void change_on_device(const Operands& operands, uint32_t* loss) {
  const uint32_t sum = change<true>(operands, threadIdx.x, kThreads);
  if (sum != 0) atomicAdd(loss, sum);
}

struct Kernel {
  const char* modes;
  void (*function)(Operands, uint32_t*);
};

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  exit(error == cudaErrorMemoryAllocation ? 2 : 1);
}

// Memory with the host's copy of the words that matter. Freed with the object.
class Tensor {
 public:
  Tensor() = default;
  // From program to program's end, cleared to a byte; or, with a stream, in the order of that
  // stream.
  Tensor(size_t mib, uint8_t byte) : words_((mib << 20) / (4 * kStride), byte * 0x01010101u) {
    check(cudaMalloc(&data_, bytes()), "cudaMalloc");
    check(cudaMemset(data_, byte, bytes()), "cudaMemset");
  }
  Tensor(size_t mib, cudaStream_t stream)
      : stream_(stream), ordered_(true), words_((mib << 20) / (4 * kStride)) {
    check(cudaMallocAsync(&data_, bytes(), stream), "cudaMallocAsync");
  }
  Tensor(Tensor&& other) noexcept { *this = std::move(other); }
  Tensor& operator=(Tensor&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(stream_, other.stream_);
    std::swap(ordered_, other.ordered_);
    words_.swap(other.words_);
    return *this;
  }
  ~Tensor() {
    if (data_ != nullptr) check(ordered_ ? cudaFreeAsync(data_, stream_) : cudaFree(data_), "free");
  }
  size_t bytes() const { return words_.size() * 4 * kStride; }
  uint32_t* device() const { return static_cast<uint32_t*>(data_); }
  std::vector<uint32_t>& words() { return words_; }

 private:
  void* data_ = nullptr;
  cudaStream_t stream_ = nullptr;
  bool ordered_ = false;
  std::vector<uint32_t> words_;
};

class Job {
 public:
  explicit Job(const char* name) : name_(name) {
    check(cudaStreamCreate(&stream_), "cudaStreamCreate");
    check(cudaMalloc(&loss_, sizeof *loss_), "cudaMalloc");
    check(cudaMemset(loss_, 0, sizeof *loss_), "cudaMemset");
    check(cudaMallocHost(&read_, sizeof *read_), "cudaMallocHost");
  }
  Job(const Job&) = delete;

  Tensor lasting(size_t mib) { return Tensor(mib, static_cast<uint8_t>(++tensors_)); }
  Tensor passing(size_t mib) { return Tensor(mib, stream_); }

  template <class... Tensors>
  void run(const Kernel& kernel, Tensors&... tensors) {
    static_assert(sizeof...(tensors) <= kMostOperands);
    Operands device{}, host{};
    for (Tensor* tensor : {&tensors...}) {
      const int at = device.count++;
      device.words[at] = tensor->device();
      device.counts[at] = static_cast<uint32_t>(tensor->words().size());
      device.modes[at] = kernel.modes[at];
    }
    device.salt = ++launches_;
    if (strlen(kernel.modes) != sizeof...(tensors)) fail("a kernel with other arguments");
    kernel.function<<<1, kThreads, 0, stream_>>>(device, loss_);
    check(cudaGetLastError(), "a launch");
    host = device;
    int at = 0;
    for (Tensor* tensor : {&tensors...}) host.words[at++] = tensor->words().data();
    expected_loss_ += change<false>(host, 0, 1);
  }

  // The job reads its loss, as training does.
  void end_iteration() {
    check(cudaMemcpyAsync(read_, loss_, sizeof *read_, cudaMemcpyDeviceToHost, stream_), "a copy");
    check(cudaStreamSynchronize(stream_), "an iteration");
    printf("%s: iteration %d: %08x\n", name_, ++iterations_, *read_);
    if (*read_ != expected_loss_) fail("a wrong loss");
    mark_iteration();
  }

  void must_hold_what_it_should(Tensor& tensor) {
    std::vector<uint32_t> found(tensor.bytes() / 4);
    check(cudaMemcpy(found.data(), tensor.device(), tensor.bytes(), cudaMemcpyDeviceToHost),
          "copy");
    for (uint32_t k = 0; k < tensor.words().size(); ++k) {
      const uint32_t word = found[place<true>(k)];
      if (word != tensor.words()[k]) fail("a wrong word in a tensor");
      sum_ = 31 * sum_ + word;
    }
  }
  // After everything that is left was looked at.
  void end() {
    check(cudaDeviceSynchronize(), "the end");
    printf("%s: PASS %u launches, %08x\n", name_, launches_, sum_);
  }

 private:
  [[noreturn]] void fail(const char* what) {
    fprintf(stderr, "%s: %s after %u launches\n", name_, what, launches_);
    exit(1);
  }

  const char* name_;
  cudaStream_t stream_ = nullptr;
  uint32_t* loss_ = nullptr;
  uint32_t* read_ = nullptr;
  uint32_t expected_loss_ = 0, launches_ = 0, sum_ = 0;
  int iterations_ = 0, tensors_ = 0;
};

// Positive numbers, as many as there are names in the usage.
inline std::vector<size_t> numbers(int argc, char** argv, size_t count, const char* usage) {
  std::vector<size_t> read;
  for (int i = 1; i < argc; ++i) read.push_back(strtoul(argv[i], nullptr, 10));
  bool good = read.size() == count;
  for (const size_t one : read) good = good && one > 0;
  if (good) return read;
  fprintf(stderr, "usage: %s\n", usage);
  exit(1);
}

}  // namespace
