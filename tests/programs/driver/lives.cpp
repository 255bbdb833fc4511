// SPDX-License-Identifier: Apache-2.0
// Beginnings and ends: contexts, modules, streams, processes.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

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

// In the current context, with a module of its own: six buffers in turn.
void work_in_this_context(uint32_t rounds, bool free_them) {
  const CUmodule module = load_kernels();
  CUfunction function = nullptr;
  MUST(cuModuleGetFunction(&function, module, "add"));
  std::vector<Buffer> buffers;
  for (uint32_t i = 0; i < 6; ++i) {
    buffers.push_back(allocate(4 * kMiB));
    write_pattern(buffers[i], i);
  }
  for (uint32_t round = 0; round < rounds; ++round) {
    for (const Buffer& buffer : buffers) {
      CUdeviceptr address = buffer.address;
      uint32_t words = static_cast<uint32_t>(buffer.bytes / 4), stride = kStride, value = 1;
      void* arguments[] = {&address, &words, &stride, &value};
      MUST(cuLaunchKernel(function, 4, 1, 1, 128, 1, 1, 0, nullptr, arguments, nullptr));
    }
  }
  for (uint32_t i = 0; i < 6; ++i) expect_pattern(buffers[i], i, rounds, kStride);
  if (!free_them) return;
  for (const Buffer& buffer : buffers) release(buffer);
}

}  // namespace

// What was allocated in a context goes with it; the next one starts afresh.
STORY(contexts_come_and_go) {
  MUST(cuInit(0));
  for (uint32_t life = 0; life < 4; ++life) {
    const CUcontext context = create_context();
    work_in_this_context(2, life % 2 == 0);
    MUST(cuCtxDestroy(context));
  }
  begin();
  work_in_this_context(2, true);
}

STORY(the_primary_context_is_reset) {
  for (uint32_t life = 0; life < 3; ++life) {
    begin();
    work_in_this_context(2, false);
    MUST(cuDevicePrimaryCtxReset(0));
    MUST(cuDevicePrimaryCtxRelease(0));
  }
}

STORY(the_primary_context_is_released) {
  for (uint32_t life = 0; life < 3; ++life) {
    begin();
    work_in_this_context(2, false);
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
  work_in_this_context(2, true);
  MUST(cuCtxDestroy(other));
  MUST(cuCtxSetCurrent(primary));
  for (uint32_t i = 0; i < 4; ++i) expect_pattern(buffers[i], i, 1, kStride);
}

// A handle may be given again to another kernel with other parameters.
STORY(modules_are_unloaded_and_loaded_again) {
  begin();
  std::vector<Buffer> buffers;
  for (uint32_t i = 0; i < 6; ++i) {
    buffers.push_back(allocate(4 * kMiB));
    write_pattern(buffers[i], i);
  }
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
  for (uint32_t i = 0; i < 6; ++i) expect_pattern(buffers[i], i, 6, kStride);
}

// Streams end with work in them; the bytes they were writing arrive.
STORY(streams_are_destroyed_in_flight) {
  begin();
  std::vector<Buffer> buffers;
  for (uint32_t i = 0; i < 6; ++i) {
    buffers.push_back(allocate(4 * kMiB));
    write_pattern(buffers[i], i);
  }
  for (uint32_t round = 0; round < 12; ++round) {
    CUstream stream = nullptr;
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    add(buffers[round % 6], 1, stream);
    MUST(cuStreamDestroy(stream));
    if (round == 5) MUST(cuCtxSynchronize());
  }
  MUST(cuCtxSynchronize());
  for (uint32_t i = 0; i < 6; ++i) expect_pattern(buffers[i], i, 2, kStride);
}

namespace {

int wait_for(pid_t child) {
  int status = 0;
  EXPECT(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

// A data loader: the child uses no CUDA, and what it does must not touch the parent's memory.
STORY(a_child_without_cuda) {
  begin();
  std::vector<Buffer> buffers;
  for (uint32_t i = 0; i < 6; ++i) {
    buffers.push_back(allocate(4 * kMiB));
    write_pattern(buffers[i], i);
    add(buffers[i], 1);
  }
  for (int round = 0; round < 3; ++round) {
    const pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
      std::vector<int> work(1 << 20, round);
      std::exit(work[12345] == round ? 17 : 1);  // with all exit handlers
    }
    for (const Buffer& buffer : buffers) add(buffer, 1);
    EXPECT(wait_for(child) == 17);
  }
  for (uint32_t i = 0; i < 6; ++i) expect_pattern(buffers[i], i, 4, kStride);
}

// A child that becomes another program, with our environment.
STORY(a_child_that_execs) {
  begin();
  const Buffer buffer = allocate(4 * kMiB);
  write_pattern(buffer, 2);
  add(buffer, 1);
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "echo from the child; exit 9", static_cast<char*>(nullptr));
    _exit(1);
  }
  EXPECT(wait_for(child) == 9);
  expect_pattern(buffer, 2, 1, kStride);
}

// CUDA's rule: no use after fork of an initialised parent. It must be an answer, never a hang.
STORY(a_child_that_tries_cuda) {
  begin();
  const Buffer buffer = allocate(4 * kMiB);
  write_pattern(buffer, 2);
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    CUdeviceptr address = 0;
    const CUresult result = cuMemAlloc(&address, 4 * kMiB);
    say("in the child: %s", name_of(result));
    _exit(result == CUDA_SUCCESS ? 1 : 5);
  }
  EXPECT(wait_for(child) == 5);
  expect_pattern(buffer, 2);
}

// A child of a parent that never called CUDA is a fresh start.
STORY(a_child_that_is_first) {
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    begin();
    work_in_this_context(2, true);
    std::exit(6);
  }
  EXPECT(wait_for(child) == 6);
}

STORY(exit_with_work_in_flight) {
  begin();
  std::vector<Buffer> buffers;
  for (uint32_t i = 0; i < 6; ++i) {
    buffers.push_back(allocate(4 * kMiB));
    write_pattern(buffers[i], i);
  }
  for (uint32_t round = 0; round < 20; ++round) {
    for (const Buffer& buffer : buffers) add(buffer, 1);
  }
  say("done");
}

namespace {

Buffer freed_at_exit;

void free_at_exit() {
  // Runtimes do this from destructors; either answer is right, a hang or a crash is not.
  const CUresult result = cuMemFree(freed_at_exit.address);
  EXPECT(result == CUDA_SUCCESS || result == CUDA_ERROR_DEINITIALIZED);
}

}  // namespace

STORY(frees_in_an_exit_handler) {
  std::atexit(free_at_exit);
  begin();
  freed_at_exit = allocate(4 * kMiB);
  write_pattern(freed_at_exit, 1);
  add(freed_at_exit, 1);
  say("done");
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
