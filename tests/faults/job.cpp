// SPDX-License-Identifier: Apache-2.0
// A job that trains nothing, but uses memory as training does, with a result that is known:
//   fault_job plain|ordered|graphs|streams
// Ends with 0 and "correct" when all bytes are right, with 3 and the error's name when CUDA said
// that something failed, and with 1 when bytes are wrong and nothing was said.
#include <cuda.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "driver_kernels_ptx.h"

namespace {

constexpr uint32_t kWords = (4 << 20) / 4, kStride = 61;
constexpr int kTensors = 8, kSteps = 3;

// An honest answer: the process ends at once, whatever else is under way.
[[noreturn]] void told(CUresult result, const char* call) {
  const char* name = nullptr;
  cuGetErrorName(result, &name);
  std::printf("told %s by %s\n", name ? name : "?", call);
  std::fflush(stdout);
  std::_Exit(3);
}
#define MUST(call)                                             \
  do {                                                         \
    if (const CUresult result_ = (call)) told(result_, #call); \
  } while (false)

CUcontext context = nullptr;
CUfunction add_kernel = nullptr, copy_kernel = nullptr;

struct Tensor {
  CUdeviceptr address = 0;
  std::vector<uint32_t> expected;
};

void add(Tensor& tensor, uint32_t value, CUstream stream) {
  uint32_t words = kWords, stride = kStride;
  void* arguments[] = {&tensor.address, &words, &stride, &value};
  MUST(cuLaunchKernel(add_kernel, 4, 1, 1, 128, 1, 1, 0, stream, arguments, nullptr));
  for (uint32_t i = 0; i < kWords; i += kStride) tensor.expected[i] += value;
}

void copy(Tensor& to, const Tensor& from, CUstream stream) {
  uint32_t words = kWords, stride = kStride;
  CUdeviceptr source = from.address;
  void* arguments[] = {&to.address, &source, &words, &stride};
  MUST(cuLaunchKernel(copy_kernel, 4, 1, 1, 128, 1, 1, 0, stream, arguments, nullptr));
  for (uint32_t i = 0; i < kWords; i += kStride) to.expected[i] = from.expected[i];
}

Tensor make(uint32_t seed) {
  Tensor tensor;
  MUST(cuMemAlloc(&tensor.address, kWords * 4));
  tensor.expected.resize(kWords);
  for (uint32_t i = 0; i < kWords; i++) tensor.expected[i] = (i + 1) * 2654435761u ^ seed;
  MUST(cuMemcpyHtoD(tensor.address, tensor.expected.data(), kWords * 4));
  MUST(cuStreamSynchronize(nullptr));  // non-blocking streams do not wait for it
  return tensor;
}

void check(const Tensor& tensor) {
  std::vector<uint32_t> seen(kWords);
  MUST(cuMemcpyDtoH(seen.data(), tensor.address, kWords * 4));
  if (std::memcmp(seen.data(), tensor.expected.data(), kWords * 4) == 0) return;
  uint32_t at = 0;
  while (seen[at] == tensor.expected[at]) at++;
  std::printf("wrong: word %u is %08x, expected %08x\n", at, seen[at], tensor.expected[at]);
  std::fflush(stdout);
  std::_Exit(1);
}

CUstream make_stream() {
  CUstream stream = nullptr;
  MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  return stream;
}

std::vector<Tensor> make_all() {
  std::vector<Tensor> tensors;
  for (uint32_t i = 0; i < kTensors; i++) tensors.push_back(make(i));
  return tensors;
}

void finish(std::vector<Tensor>& tensors) {
  MUST(cuCtxSynchronize());
  for (const Tensor& tensor : tensors) check(tensor);
  for (const Tensor& tensor : tensors) MUST(cuMemFree(tensor.address));
}

void plain() {
  std::vector<Tensor> tensors = make_all();
  for (uint32_t step = 0; step < kSteps; step++) {
    for (uint32_t i = 0; i < kTensors; i++) add(tensors[i], step * 10 + i, nullptr);
    Tensor& cleared = tensors[step];
    MUST(cuMemsetD32(cleared.address, step, kWords));
    cleared.expected.assign(kWords, step);
    MUST(cuMemcpyDtoD(tensors[step + 1].address, tensors[kTensors - 1].address, kWords * 4));
    tensors[step + 1].expected = tensors[kTensors - 1].expected;
    Tensor fresh = make(100 + step);
    add(fresh, 7, nullptr);
    check(fresh);
    MUST(cuMemFree(fresh.address));
  }
  finish(tensors);
}

void ordered() {
  const CUstream stream = make_stream();
  std::vector<Tensor> tensors = make_all();
  for (uint32_t step = 0; step < kSteps; step++) {
    std::vector<Tensor> kept;
    for (uint32_t i = 0; i < kTensors; i += 2) {
      Tensor activation;
      activation.expected.assign(kWords, step + i);
      MUST(cuMemAllocAsync(&activation.address, kWords * 4, stream));
      MUST(cuMemsetD32Async(activation.address, step + i, kWords, stream));
      copy(activation, tensors[i], stream);
      add(activation, 3, stream);
      kept.push_back(std::move(activation));
    }
    while (!kept.empty()) {
      copy(tensors[2 * kept.size() - 1], kept.back(), stream);
      MUST(cuMemFreeAsync(kept.back().address, stream));
      kept.pop_back();
    }
  }
  MUST(cuStreamSynchronize(stream));
  finish(tensors);
}

void graphs() {
  const CUstream stream = make_stream();
  std::vector<Tensor> tensors = make_all();
  // Recorded once, launched each step: what the recording expects happens at each launch.
  CUgraph graph = nullptr;
  CUgraphExec exec = nullptr;
  const std::vector<Tensor> before = tensors;
  MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
  for (int i = 0; i < 3; i++) add(tensors[i], 5, stream);
  MUST(cuStreamEndCapture(stream, &graph));
  tensors = before;
  MUST(cuGraphInstantiateWithFlags(&exec, graph, 0));
  for (uint32_t step = 0; step < kSteps; step++) {
    MUST(cuGraphLaunch(exec, stream));
    for (int i = 0; i < 3; i++)
      for (uint32_t word = 0; word < kWords; word += kStride) tensors[i].expected[word] += 5;
    for (int i = 0; i < kTensors; i++) add(tensors[i], 1, stream);
  }
  MUST(cuStreamSynchronize(stream));
  MUST(cuGraphExecDestroy(exec));
  MUST(cuGraphDestroy(graph));
  finish(tensors);
}

void streams() {
  std::vector<Tensor> tensors = make_all();
  const auto work = [&](int first) {
    MUST(cuCtxSetCurrent(context));
    const CUstream one = make_stream(), two = make_stream();
    CUevent event = nullptr;
    MUST(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    for (uint32_t step = 0; step < kSteps; step++) {
      for (int i = first; i < first + kTensors / 2; i++) add(tensors[i], step + 1, one);
      MUST(cuEventRecord(event, one));
      MUST(cuStreamWaitEvent(two, event, 0));
      copy(tensors[first], tensors[first + 1], two);
      MUST(cuEventRecord(event, two));
      MUST(cuStreamWaitEvent(one, event, 0));
    }
    MUST(cuStreamSynchronize(one));
  };
  std::thread other(work, kTensors / 2);
  work(0);
  other.join();
  finish(tensors);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc == 2 ? argv[1] : "";
  void (*const run)() = what == "plain"     ? plain
                        : what == "ordered" ? ordered
                        : what == "graphs"  ? graphs
                        : what == "streams" ? streams
                                            : nullptr;
  if (!run) return 2;
  CUdevice device = 0;
  CUmodule module = nullptr;
  MUST(cuInit(0));
  MUST(cuDeviceGet(&device, 0));
  MUST(cuDevicePrimaryCtxRetain(&context, device));
  MUST(cuCtxSetCurrent(context));
  MUST(cuModuleLoadData(&module, driver_kernels_ptx));
  MUST(cuModuleGetFunction(&add_kernel, module, "add"));
  MUST(cuModuleGetFunction(&copy_kernel, module, "copy_words"));
  run();
  std::puts("correct");
  return 0;
}
