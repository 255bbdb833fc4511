// SPDX-License-Identifier: Apache-2.0
// Beginnings and ends: contexts, modules, streams.
#include <atomic>
#include <thread>

#include "tests/programs/driver/kernels.h"
#include "tests/programs/driver/story.h"

using namespace story;

namespace {

CUcontext create_context() {
  CUcontext context = nullptr;
#if CUDA_VERSION >= 13000
  MUST(cuCtxCreate(&context, nullptr, 0, 0));
#else
  MUST(cuCtxCreate(&context, 0, 0));
#endif
  return context;
}

enum class Ending { Freed, Left, InFlight };

// In the current context, with a module of its own: six buffers in turn.
void work_in_this_context(uint32_t rounds, Ending ending) {
  const CUmodule module = load_kernels();
  CUfunction function = nullptr;
  MUST(cuModuleGetFunction(&function, module, "add"));
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  for (uint32_t round = 0; round < rounds; ++round) {
    for (const Buffer& buffer : buffers) {
      CUdeviceptr address = buffer.address;
      uint32_t words = static_cast<uint32_t>(buffer.bytes / 4), stride = kStride, value = 1;
      void* arguments[] = {&address, &words, &stride, &value};
      MUST(cuLaunchKernel(function, 4, 1, 1, 128, 1, 1, 0, nullptr, arguments, nullptr));
    }
  }
  if (ending == Ending::InFlight) return;
  expect_all(buffers, rounds);
  if (ending == Ending::Left) return;
  for (const Buffer& buffer : buffers) release(buffer);
}

}  // namespace

// What was allocated in a context goes with it; the next one starts afresh.
STORY(contexts_come_and_go) {
  MUST(cuInit(0));
  for (uint32_t life = 0; life < 4; ++life) {
    const CUcontext context = create_context();
    work_in_this_context(2, life % 2 == 0 ? Ending::Freed : Ending::Left);
    MUST(cuCtxDestroy(context));
  }
  begin();
  work_in_this_context(2, Ending::Freed);
}

STORY(the_primary_context_is_reset) {
  for (uint32_t life = 0; life < 3; ++life) {
    begin();
    work_in_this_context(2, Ending::Left);
    MUST(cuDevicePrimaryCtxReset(0));
    MUST(cuDevicePrimaryCtxRelease(0));
  }
}

STORY(the_primary_context_is_released) {
  for (uint32_t life = 0; life < 3; ++life) {
    begin();
    work_in_this_context(2, Ending::Left);
    MUST(cuDevicePrimaryCtxRelease(0));
  }
}

// Two contexts of one device share its memory, and each its own allocations.
STORY(two_contexts_at_once) {
  const CUcontext primary = begin();
  std::vector<Buffer> buffers;
  for (uint32_t i = 0; i < 4; ++i) {
    buffers.push_back(allocate(4 * kMiB));
    write_pattern(buffers[i], i);
    add(buffers[i], 1);
  }
  const CUcontext other = create_context();
  work_in_this_context(2, Ending::Freed);
  MUST(cuCtxDestroy(other));
  MUST(cuCtxSetCurrent(primary));
  for (uint32_t i = 0; i < 4; ++i) expect_pattern(buffers[i], i, 1, kStride);
}

// A context goes with kernels, copies and moves under way in it, and takes its memory along.
STORY(contexts_destroyed_in_flight) {
  MUST(cuInit(0));
  for (uint32_t life = 0; life < 4; ++life) {
    const CUcontext context = create_context();
    work_in_this_context(4, Ending::InFlight);
    MUST(cuCtxDestroy(context));
  }
  begin();
  work_in_this_context(2, Ending::InFlight);
  MUST(cuDevicePrimaryCtxReset(0));
  MUST(cuDevicePrimaryCtxRelease(0));
  begin();
  work_in_this_context(2, Ending::Freed);
}

// Contexts that come and go leave one that stays in peace.
STORY(contexts_come_and_go_beside_another) {
  const CUcontext primary = begin();
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  std::atomic<bool> stop{false};
  uint32_t rounds = 0;
  std::thread thread([&] {
    MUST(cuCtxSetCurrent(primary));
    for (; !stop; ++rounds) scan(buffers, 1);
  });
  for (uint32_t life = 0; life < 6; ++life) {
    const CUcontext context = create_context();
    work_in_this_context(2, life % 2 ? Ending::InFlight : Ending::Left);
    MUST(cuCtxDestroy(context));
  }
  stop = true;
  thread.join();
  MUST(cuCtxSetCurrent(primary));
  expect_all(buffers, rounds);
}

// A handle may be given again to another kernel with other parameters.
STORY(modules_are_unloaded_and_loaded_again) {
  begin();
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  for (uint32_t life = 0; life < 6; ++life) {
    const CUmodule module = load_kernels();
    CUfunction function = nullptr;
    // Alternately one pointer parameter and a struct of many.
    if (life % 2 == 0) {
      MUST(cuModuleGetFunction(&function, module, "add"));
      for (const Buffer& buffer : buffers) {
        CUdeviceptr address = buffer.address;
        uint32_t words = static_cast<uint32_t>(buffer.bytes / 4), stride = kStride, value = 1;
        void* arguments[] = {&address, &words, &stride, &value};
        MUST(cuLaunchKernel(function, 4, 1, 1, 128, 1, 1, 0, nullptr, arguments, nullptr));
      }
    } else {
      MUST(cuModuleGetFunction(&function, module, "add_to_all"));
      for (size_t first = 0; first < 6; first += 2) {
        Many many{2, static_cast<uint32_t>(4 * kMiB / 4), kStride, 1, {}};
        for (size_t i = 0; i < 2; ++i) {
          many.out[i] = reinterpret_cast<uint32_t*>(buffers[first + i].address);
        }
        void* arguments[] = {&many};
        MUST(cuLaunchKernel(function, 4, 1, 1, 128, 1, 1, 0, nullptr, arguments, nullptr));
      }
    }
    MUST(cuModuleUnload(module));
  }
  expect_all(buffers, 6);
}

// Streams end with work in them; the bytes they were writing arrive.
STORY(streams_are_destroyed_in_flight) {
  begin();
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  for (uint32_t round = 0; round < 12; ++round) {
    CUstream stream = nullptr;
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    add(buffers[round % 6], 1, stream);
    MUST(cuStreamDestroy(stream));
    if (round == 5) MUST(cuCtxSynchronize());
  }
  MUST(cuCtxSynchronize());
  expect_all(buffers, 2);
}

// Requests below the threshold, many of them: the library has no business with them.
STORY(small_allocations) {
  begin();
  std::vector<Buffer> buffers;
  for (uint32_t i = 0; i < 32; ++i) {
    buffers.push_back(allocate(64 << 10));
    write_pattern(buffers[i], i);
  }
  for (const Buffer& buffer : buffers) add(buffer, 1);
  for (uint32_t i = 0; i < 32; ++i) expect_pattern(buffers[i], i, 1, kStride);
  for (const Buffer& buffer : buffers) release(buffer);
}
