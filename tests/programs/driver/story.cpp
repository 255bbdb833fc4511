// SPDX-License-Identifier: Apache-2.0
#include "tests/programs/driver/story.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "driver_kernels_ptx.h"
#include "tests/programs/driver/kernels.h"

namespace story {
namespace {

std::map<std::string, void (*)()>& stories() {
  static std::map<std::string, void (*)()> table;
  return table;
}

std::vector<uint32_t> pattern(size_t words, uint32_t seed) {
  std::vector<uint32_t> data(words);
  for (size_t i = 0; i < words; ++i) {
    data[i] = (static_cast<uint32_t>(i) + 1) * 2654435761u ^ (seed * 40503u);
  }
  return data;
}

}  // namespace

Register::Register(const char* name, void (*run)()) {
  stories()[name] = run;
}

void say(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vprintf(format, arguments);
  va_end(arguments);
  std::putchar('\n');
  std::fflush(stdout);
}

void fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::exit(1);
}

const char* name_of(CUresult result) {
  const char* name = nullptr;
  return cuGetErrorName(result, &name) == CUDA_SUCCESS && name != nullptr ? name : "(unknown)";
}

void must(CUresult result, const char* call, const char* file, int line) {
  if (result != CUDA_SUCCESS) fail("%s:%d: %s: %s", file, line, call, name_of(result));
}

CUcontext begin() {
  CUdevice device = 0;
  CUcontext context = nullptr;
  MUST(cuInit(0));
  MUST(cuDeviceGet(&device, 0));
  MUST(cuDevicePrimaryCtxRetain(&context, device));
  MUST(cuCtxSetCurrent(context));
  return context;
}

CUmodule load_kernels() {
  CUmodule module = nullptr;
  MUST(cuModuleLoadData(&module, driver_kernels_ptx));
  return module;
}

CUfunction kernel(const char* name) {
  static const CUmodule module = load_kernels();
  CUfunction function = nullptr;
  MUST(cuModuleGetFunction(&function, module, name));
  return function;
}

Buffer allocate(size_t bytes) {
  Buffer buffer{0, bytes};
  MUST(cuMemAlloc(&buffer.address, bytes));
  return buffer;
}

Buffer allocate_async(size_t bytes, CUstream stream) {
  Buffer buffer{0, bytes};
  MUST(cuMemAllocAsync(&buffer.address, bytes, stream));
  return buffer;
}

void release(const Buffer& buffer) {
  MUST(cuMemFree(buffer.address));
}

CUresult try_write_pattern(const Buffer& buffer, uint32_t seed) {
  const std::vector<uint32_t> data = pattern(buffer.bytes / 4, seed);
  const CUresult result = cuMemcpyHtoD(buffer.address, data.data(), data.size() * 4);
  // The call may return before the device has the bytes, and non-blocking streams do not wait.
  return result == CUDA_SUCCESS ? cuStreamSynchronize(nullptr) : result;
}

void write_pattern(const Buffer& buffer, uint32_t seed) {
  MUST(try_write_pattern(buffer, seed));
}

void expect_pattern(const Buffer& buffer, uint32_t seed, uint32_t added, uint32_t stride) {
  std::vector<uint32_t> expected = pattern(buffer.bytes / 4, seed);
  for (size_t i = 0; i < expected.size(); i += stride) expected[i] += added;
  std::vector<uint32_t> data(expected.size());
  MUST(cuMemcpyDtoH(data.data(), buffer.address, data.size() * 4));
  const auto [seen, wanted] = std::mismatch(data.begin(), data.end(), expected.begin());
  if (seen == data.end()) return;
  fail("buffer of pattern %u: word %zu is %08x, expected %08x", seed,
       static_cast<size_t>(seen - data.begin()), *seen, *wanted);
}

CUresult try_add(const Buffer& buffer, uint32_t value, CUstream stream, uint32_t stride) {
  CUdeviceptr address = buffer.address;
  uint32_t words = static_cast<uint32_t>(buffer.bytes / 4);
  void* arguments[] = {&address, &words, &stride, &value};
  return cuLaunchKernel(kernel("add"), 4, 1, 1, 128, 1, 1, 0, stream, arguments, nullptr);
}

void add(const Buffer& buffer, uint32_t value, CUstream stream) {
  MUST(try_add(buffer, value, stream));
}

std::vector<Buffer> filled(size_t count, size_t bytes) {
  std::vector<Buffer> buffers;
  for (size_t i = 0; i < count; ++i) {
    buffers.push_back(allocate(bytes));
    write_pattern(buffers.back(), static_cast<uint32_t>(i));
  }
  return buffers;
}

void scan(const std::vector<Buffer>& buffers, uint32_t rounds, CUstream stream) {
  for (uint32_t round = 0; round < rounds; ++round)
    for (const Buffer& buffer : buffers) add(buffer, 1, stream);
}

void expect_all(const std::vector<Buffer>& buffers, uint32_t added) {
  for (size_t i = 0; i < buffers.size(); ++i)
    expect_pattern(buffers[i], static_cast<uint32_t>(i), added, kStride);
}

CUDA_KERNEL_NODE_PARAMS kernel_node(CUfunction function, unsigned threads, void** arguments,
                                    void** extra) {
  CUDA_KERNEL_NODE_PARAMS node{};
  node.func = function;
  node.gridDimX = 4;
  node.blockDimX = threads;
  node.gridDimY = node.gridDimZ = node.blockDimY = node.blockDimZ = 1;
  node.kernelParams = arguments;
  node.extra = extra;
  return node;
}

CUgraphExec graph_of(const CUDA_KERNEL_NODE_PARAMS& node) {
  CUgraph graph = nullptr;
  CUgraphNode only = nullptr;
  CUgraphExec exec = nullptr;
  MUST(cuGraphCreate(&graph, 0));
  MUST(cuGraphAddKernelNode(&only, graph, nullptr, 0, &node));
  MUST(cuGraphInstantiate(&exec, graph, 0));
  MUST(cuGraphDestroy(graph));
  return exec;
}

CUresult try_add_to_all(const std::vector<Buffer>& buffers, uint32_t value, CUstream stream) {
  Many many{};
  EXPECT(buffers.size() <= kMany);
  many.count = static_cast<uint32_t>(buffers.size());
  many.words = static_cast<uint32_t>(buffers[0].bytes / 4);
  many.stride = kStride;
  many.value = value;
  for (size_t i = 0; i < buffers.size(); ++i) {
    many.out[i] = reinterpret_cast<uint32_t*>(buffers[i].address);
  }
  void* arguments[] = {&many};
  return cuLaunchKernel(kernel("add_to_all"), 4, 1, 1, 128, 1, 1, 0, stream, arguments, nullptr);
}

}  // namespace story

int main(int argc, char** argv) {
  const auto found = argc == 2 ? story::stories().find(argv[1]) : story::stories().end();
  if (found == story::stories().end()) {
    std::fprintf(stderr, "usage: %s STORY\n", argv[0]);
    for (const auto& [name, run] : story::stories()) std::fprintf(stderr, "  %s\n", name.c_str());
    return 2;
  }
  found->second();
  return 0;
}
