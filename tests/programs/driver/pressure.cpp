// SPDX-License-Identifier: Apache-2.0
// More memory than there is: bytes leave, come back, and nobody notices.
#include <cstdio>
#include <cstring>
#include <thread>

#include "tests/programs/driver/kernels.h"
#include "tests/programs/driver/story.h"

using namespace story;

// Six buffers of 4 MiB, used in turn.
STORY(rounds) {
  begin();
  kernel("add");
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  for (uint32_t round = 0; round < 5; ++round) {
    for (const Buffer& buffer : buffers) add(buffer, round + 1);
  }
  expect_all(buffers, 15);
  for (const Buffer& buffer : buffers) release(buffer);
}

// Memory is full before the driver needs some for itself: a module has variables.
STORY(a_module_is_loaded_last) {
  begin();
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  for (const Buffer& buffer : buffers) add(buffer, 4);
  expect_all(buffers, 4);
}

// Much work in one stream without a wait between: the host runs far ahead.
STORY(rounds_without_waiting) {
  begin();
  std::vector<Buffer> buffers = filled(8, 4 * kMiB);
  CUstream stream = nullptr;
  MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  MUST(cuCtxSynchronize());
  for (uint32_t round = 0; round < 40; ++round) {
    for (const Buffer& buffer : buffers) add(buffer, 1, stream);
  }
  MUST(cuStreamSynchronize(stream));
  expect_all(buffers, 40);
}

// Eight buffers in one launch: 32 MiB at once.
STORY(one_launch_wider_than_the_budget) {
  begin();
  const std::vector<Buffer> buffers = filled(8, 4 * kMiB);
  const CUresult wide = try_add_to_all(buffers, 5);
  say("wide launch: %s", name_of(wide));
  // Whatever it was, the job goes on with what fits, and nothing is lost.
  for (const Buffer& buffer : buffers) add(buffer, 2);
  expect_all(buffers, wide == CUDA_SUCCESS ? 7 : 2);
}

// Allocates until memory ends, frees a half, goes on.
STORY(until_memory_ends) {
  begin();
  std::vector<Buffer> buffers;
  CUresult result = CUDA_SUCCESS;
  for (;;) {
    Buffer buffer{0, 4 * kMiB};
    result = cuMemAlloc(&buffer.address, buffer.bytes);
    if (result != CUDA_SUCCESS) break;
    // Allocation is a promise: the bytes must have a place too.
    write_pattern(buffer, static_cast<uint32_t>(buffers.size()));
    buffers.push_back(buffer);
    EXPECT(buffers.size() < 1000);
  }
  EXPECT(result == CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT(buffers.size() >= 2);
  expect_all(buffers, 0);
  const size_t half = buffers.size() / 2;
  for (size_t i = half; i < buffers.size(); ++i) release(buffers[i]);
  buffers.resize(half);
  for (size_t i = 0; i < half; ++i) {
    Buffer buffer = allocate(4 * kMiB);
    write_pattern(buffer, static_cast<uint32_t>(buffers.size()));
    buffers.push_back(buffer);
  }
  for (const Buffer& buffer : buffers) add(buffer, 3);
  expect_all(buffers, 3);
}

// As frameworks do it: a tensor for each step of a chain, freed in stream order.
STORY(tensors_that_come_and_go) {
  begin();
  CUstream stream = nullptr;
  MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  Buffer last = allocate_async(4 * kMiB, stream);
  MUST(cuMemsetD32Async(last.address, 1, last.bytes / 4, stream));
  const std::vector<Buffer> weights = filled(4, 3 * kMiB);
  MUST(cuCtxSynchronize());
  for (uint32_t step = 0; step < 60; ++step) {
    Buffer next = allocate_async(4 * kMiB, stream);
    MUST(cuMemcpyDtoDAsync(next.address, last.address, last.bytes, stream));
    add(next, step, stream);
    add(weights[step % 4], 1, stream);
    MUST(cuMemFreeAsync(last.address, stream));
    last = next;
  }
  MUST(cuStreamSynchronize(stream));
  expect_all(weights, 15);
  std::vector<uint32_t> seen(last.bytes / 4);
  MUST(cuMemcpyDtoH(seen.data(), last.address, last.bytes));
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT(seen[i] == (i % kStride == 0 ? 1 + 59 * 60 / 2 : 1));
  }
  MUST(cuMemFreeAsync(last.address, stream));
}

// One range, four streams, ordered by events in a ring.
STORY(streams_share_a_range) {
  begin();
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  MUST(cuCtxSynchronize());
  CUstream streams[4];
  CUevent events[4];
  for (int i = 0; i < 4; ++i) {
    MUST(cuStreamCreate(&streams[i], CU_STREAM_NON_BLOCKING));
    MUST(cuEventCreate(&events[i], CU_EVENT_DISABLE_TIMING));
  }
  for (uint32_t step = 0; step < 48; ++step) {
    const CUstream stream = streams[step % 4];
    if (step > 0) MUST(cuStreamWaitEvent(stream, events[(step - 1) % 4], 0));
    add(buffers[0], 1, stream);
    add(buffers[1 + step % 5], 0, stream);  // pressure
    MUST(cuEventRecord(events[step % 4], stream));
  }
  MUST(cuCtxSynchronize());
  expect_pattern(buffers[0], 0, 48, kStride);
}

// Two halves of one range, written by two streams at once.
STORY(streams_write_halves_of_a_range) {
  begin();
  const std::vector<Buffer> others = filled(5, 4 * kMiB);
  const Buffer whole = allocate(8 * kMiB);
  write_pattern(whole, 9);
  MUST(cuCtxSynchronize());
  CUstream streams[2];
  for (CUstream& stream : streams) MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  // Both halves begin on a multiple of the stride, so the whole looks as if it was one launch.
  const size_t words = whole.bytes / 4, half = words / 2 / kStride * kStride;
  for (uint32_t round = 0; round < 10; ++round) {
    add({whole.address, half * 4}, 1, streams[0]);
    add({whole.address + half * 4, (words - half) * 4}, 1, streams[1]);
    add(others[round % 5], 1, streams[round % 2]);
  }
  MUST(cuCtxSynchronize());
  expect_pattern(whole, 9, 10, kStride);
}

// Four threads, each with a stream and buffers of its own, and one that all read.
STORY(threads_share_a_range) {
  const CUcontext context = begin();
  const Buffer shared = allocate(4 * kMiB);
  write_pattern(shared, 77);
  kernel("copy_words");
  MUST(cuCtxSynchronize());
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      MUST(cuCtxSetCurrent(context));
      CUstream stream = nullptr;
      MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
      for (uint32_t round = 0; round < 6; ++round) {
        const Buffer own = allocate(4 * kMiB);
        write_pattern(own, thread);
        CUdeviceptr out = own.address, in = shared.address;
        uint32_t words = static_cast<uint32_t>(own.bytes / 4), stride = 1031;
        void* arguments[] = {&out, &in, &words, &stride};
        MUST(cuLaunchKernel(kernel("copy_words"), 2, 1, 1, 128, 1, 1, 0, stream, arguments,
                            nullptr));
        MUST(cuStreamSynchronize(stream));
        std::vector<uint32_t> a(words), b(words);
        MUST(cuMemcpyDtoH(a.data(), own.address, own.bytes));
        MUST(cuMemcpyDtoH(b.data(), shared.address, shared.bytes));
        for (uint32_t i = 0; i < words; i += stride) EXPECT(a[i] == b[i]);
        MUST(cuMemFree(own.address));
      }
      MUST(cuStreamDestroy(stream));
    });
  }
  for (std::thread& thread : threads) thread.join();
  expect_pattern(shared, 77);
}

// An address that no launch argument names: it was copied into a module's variable.
STORY(an_address_hidden_in_device_memory) {
  begin();
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  CUmodule module = nullptr;
  MUST(cuFuncGetModule(&module, kernel("add_through_hidden")));
  CUdeviceptr variable = 0;
  MUST(cuModuleGetGlobal(&variable, nullptr, module, "hidden"));
  MUST(cuMemcpyHtoD(variable, &buffers[0].address, sizeof(CUdeviceptr)));
  for (uint32_t round = 0; round < 3; ++round) {
    for (size_t i = 1; i < buffers.size(); ++i)
      add(buffers[i], 1);  // pushes it out, if it may move
    uint32_t words = static_cast<uint32_t>(buffers[0].bytes / 4), stride = kStride, value = 1;
    void* arguments[] = {&words, &stride, &value};
    MUST(cuLaunchKernel(kernel("add_through_hidden"), 4, 1, 1, 128, 1, 1, 0, nullptr, arguments,
                        nullptr));
  }
  expect_all(buffers, 3);
}

// Copies and sets reach what is not on the device, in every direction.
STORY(copies_and_sets_of_what_is_away) {
  begin();
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  std::vector<uint32_t> words(4 * kMiB / 4);
  // Each is the least recently used by the time its turn comes.
  for (uint32_t round = 0; round < 2; ++round) {
    for (size_t i = 0; i < 6; ++i) {
      const Buffer& from = buffers[i];
      const Buffer& to = buffers[(i + 3) % 6];
      const size_t part = 1 * kMiB + 4 * i;
      MUST(cuMemcpyDtoD(to.address + 2 * kMiB, from.address, part));
      MUST(cuMemsetD32(to.address, 0xC0FFEE00u + round, 1000));
      MUST(cuMemcpyDtoH(words.data(), to.address + 2 * kMiB, part));
      std::vector<uint32_t> source(words.size());
      MUST(cuMemcpyDtoH(source.data(), from.address, part));
      EXPECT(std::memcmp(words.data(), source.data(), part) == 0);
      MUST(cuMemcpyDtoH(words.data(), to.address, 4096));
      EXPECT(words[0] == 0xC0FFEE00u + round && words[999] == 0xC0FFEE00u + round);
      EXPECT(words[1000] != 0xC0FFEE00u + round);
    }
  }
}

// Any call may be the one for which there is no memory. It says so, and the others are done.
STORY(whatever_call_has_no_memory) {
  begin();
  kernel("add");
  struct Kept {
    Buffer buffer;
    uint32_t seed, added;
  };
  std::vector<Kept> kept;
  uint32_t refused = 0;
  const auto done = [&](CUresult result) {
    EXPECT(result == CUDA_SUCCESS || result == CUDA_ERROR_OUT_OF_MEMORY);
    if (result != CUDA_SUCCESS) refused++;
    return result == CUDA_SUCCESS;
  };
  for (uint32_t step = 0; step < 24; ++step) {
    Kept fresh{{0, 4 * kMiB}, step, 0};
    if (done(cuMemAlloc(&fresh.buffer.address, fresh.buffer.bytes))) {
      if (done(try_write_pattern(fresh.buffer, step)))
        kept.push_back(fresh);
      else
        release(fresh.buffer);
    } else if (kept.size() > 4) {
      release(kept[step % 3].buffer);
      kept.erase(kept.begin() + step % 3);
    }
    for (Kept& each : kept)
      if (done(try_add(each.buffer, 1))) each.added++;
  }
  // With little left there is room again, for every call.
  while (kept.size() > 2) {
    release(kept.back().buffer);
    kept.pop_back();
  }
  for (Kept& each : kept) add(each.buffer, 1);
  for (Kept& each : kept) expect_pattern(each.buffer, each.seed, each.added + 1, kStride);
  for (int more = 0; more < 3; ++more) {
    const Buffer buffer = allocate(2 * kMiB);
    write_pattern(buffer, 50);
    add(buffer, 1);
    expect_pattern(buffer, 50, 1, kStride);
    release(buffer);
  }
  say("done");
  if (refused) std::fprintf(stderr, "refused: %u\n", refused);
}
