// SPDX-License-Identifier: Apache-2.0
// What the driver-API test programs share. A program is a few stories, each run in a process of its
// own: `program story`. A story uses CUDA as any application would and knows of no library in
// front; it tells what it saw on stdout, ends with 0 when all was as CUDA promises, and with one
// line on stderr and 1 when it was not.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <string>
#include <vector>

namespace story {

constexpr size_t kMiB = size_t{1} << 20;

struct Register {
  Register(const char* name, void (*run)());
};
#define STORY(name)                                           \
  static void name();                                         \
  static const story::Register register_##name(#name, &name); \
  static void name()

// A line of what was seen, flushed at once so that a fork or a crash neither doubles nor loses it.
[[gnu::format(printf, 1, 2)]] void say(const char* format, ...);
[[noreturn, gnu::format(printf, 1, 2)]] void fail(const char* format, ...);
const char* name_of(CUresult result);

void must(CUresult result, const char* call, const char* file, int line);
#define MUST(call) story::must((call), #call, __FILE__, __LINE__)
#define EXPECT(condition)                                                                \
  do {                                                                                   \
    if (!(condition)) story::fail("%s:%d: expected %s", __FILE__, __LINE__, #condition); \
  } while (false)

// The primary context of device 0, current, as cudart makes it.
CUcontext begin();
// From the kernels' module; loaded at first use in the current context.
CUfunction kernel(const char* name);
CUmodule load_kernels();

struct Buffer {
  CUdeviceptr address = 0;
  size_t bytes = 0;
};

Buffer allocate(size_t bytes);
Buffer allocate_async(size_t bytes, CUstream stream);
void release(const Buffer& buffer);

// Every word of it different, and different for each seed; `added` was added to every `stride`-th.
CUresult try_write_pattern(const Buffer& buffer, uint32_t seed);
void write_pattern(const Buffer& buffer, uint32_t seed);
void expect_pattern(const Buffer& buffer, uint32_t seed, uint32_t added = 0, uint32_t stride = 1);

constexpr uint32_t kStride = 97;  // words between the elements that `add` below touches
CUresult try_add(const Buffer& buffer, uint32_t value, CUstream stream = nullptr,
                 uint32_t stride = kStride);
void add(const Buffer& buffer, uint32_t value, CUstream stream = nullptr);
// So many buffers, each with the pattern of its index; each in turn, again and again, without a
// wait in between; and what that must have made of them.
std::vector<Buffer> filled(size_t count, size_t bytes);
void scan(const std::vector<Buffer>& buffers, uint32_t rounds, CUstream stream = nullptr);
void expect_all(const std::vector<Buffer>& buffers, uint32_t added);

// A graph's node of so many threads in each of four blocks.
CUDA_KERNEL_NODE_PARAMS kernel_node(CUfunction function, unsigned threads, void** arguments,
                                    void** extra = nullptr);
// Of a graph that has nothing else; the graph itself is gone again.
CUgraphExec graph_of(const CUDA_KERNEL_NODE_PARAMS& node);

// One launch over all of them, in a by-value struct.
CUresult try_add_to_all(const std::vector<Buffer>& buffers, uint32_t value,
                        CUstream stream = nullptr);

}  // namespace story
