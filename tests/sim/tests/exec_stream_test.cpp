// SPDX-License-Identifier: Apache-2.0
// Order: what streams, events, callbacks and memory operations promise, and no more than that.
#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "tests/sim/tests/exec_fixture.h"

namespace exec {
namespace {

using Stream = Exec;
using Event = Exec;
using MemOp = Exec;

unsigned expected_chain(unsigned from, unsigned steps) {
  unsigned value = 0;
  for (unsigned i = 0; i < steps; i++) value = value * 31 + from + i;
  return value;
}

TEST_F(Stream, KeepsItsOwnOrder) {
  CUstream s = stream();
  for (unsigned i = 0; i < 300; i++) CHECK_CU(chain(s, i));
  CHECK_CU(cuStreamSynchronize(s));
  EXPECT_EQ(expected_chain(0, 300), static_cast<unsigned>(read()[0]));
}

TEST_F(Stream, ABlockingStreamWaitsForTheLegacyStreamAndTheLegacyStreamForIt) {
  CUstream s = stream(CU_STREAM_DEFAULT);
  for (unsigned i = 0; i < 100; i++) CHECK_CU(chain(i % 2 ? s : nullptr, i));
  EXPECT_EQ(expected_chain(0, 100), static_cast<unsigned>(read()[0]));
}

TEST_F(Stream, TheLegacyStreamWaitsForADestroyedBlockingStream) {
  for (unsigned i = 0; i < 40; i += 2) {
    CUstream s = stream(CU_STREAM_DEFAULT);
    CHECK_CU(chain(s, i));
    CHECK_CU(cuStreamDestroy_v2(s));
    CHECK_CU(chain(nullptr, i + 1));
  }
  EXPECT_EQ(expected_chain(0, 40), static_cast<unsigned>(read()[0]));
}

// Two unordered writers: each must be seen to win at some point, or a missing wait would stay
// hidden.
TEST_F(Stream, UnorderedWorkRunsInEveryOrder) {
  CUstream a = stream(), b = stream();
  bool a_last = false, b_last = false;
  for (int round = 0; round < 400 && !(a_last && b_last); round++) {
    CHECK_CU(cuMemsetD32Async(memory_, 1, 1, a));
    CHECK_CU(cuMemsetD32Async(memory_, 2, 1, b));
    (read()[0] == 1 ? a_last : b_last) = true;
  }
  EXPECT_TRUE(a_last);
  EXPECT_TRUE(b_last);
}

TEST_F(Stream, ANonBlockingStreamIsNotOrderedWithTheLegacyStream) {
  CUstream s = stream();
  bool s_last = false, legacy_last = false;
  for (int round = 0; round < 400 && !(s_last && legacy_last); round++) {
    CHECK_CU(cuMemsetD32Async(memory_, 1, 1, s));
    CHECK_CU(cuMemsetD32Async(memory_, 2, 1, nullptr));
    (read()[0] == 1 ? s_last : legacy_last) = true;
  }
  EXPECT_TRUE(s_last && legacy_last);
}

TEST_F(Stream, RunsBehindTheHost) {
  CUstream s = stream();
  int behind = 0;
  for (int round = 0; round < 50; round++) {
    CHECK_CU(add(s, 1));
    behind += cuStreamQuery(s) == CUDA_ERROR_NOT_READY;
    CHECK_CU(cuStreamSynchronize(s));
    EXPECT_EQ(CUDA_SUCCESS, cuStreamQuery(s));
  }
  EXPECT_GT(behind, 10);
}

TEST_F(Stream, ALongKernelDoesNotHoldUpOthers) {
  // More of them than there are workers at first.
  std::vector<CUstream> busy;
  pinned()[0] = 0;
  for (int i = 0; i < 6; i++) {
    busy.push_back(stream());
    CHECK_CU(spin(busy.back(), pinned_address()));
  }
  CUstream s = stream();
  CHECK_CU(add(s, 5));
  CHECK_CU(cuStreamSynchronize(s));
  EXPECT_EQ(CUDA_ERROR_NOT_READY, cuStreamQuery(busy[0]));
  reinterpret_cast<std::atomic<int>*>(pinned())->store(1);
  CHECK_CU(cuCtxSynchronize());
}

TEST_F(Stream, AFullStreamMakesTheHostWait) {
  CUstream s = stream();
  pinned()[0] = 0;
  CHECK_CU(spin(s, pinned_address()));
  std::atomic<int> submitted{0};
  std::thread host([&] {
    EXPECT_EQ(CUDA_SUCCESS, cuCtxSetCurrent(context_));
    for (int i = 0; i < 1200; i++) {
      EXPECT_EQ(CUDA_SUCCESS, chain(s, 0));
      submitted++;
    }
  });
  while (submitted < 1023) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(1023, submitted);  // and the kernel that spins
  reinterpret_cast<std::atomic<int>*>(pinned())->store(1);
  host.join();
  CHECK_CU(cuStreamSynchronize(s));
}

TEST_F(Stream, DestroyedWithWorkFinishesIt) {
  CUstream s = stream();
  for (int i = 0; i < 20; i++) CHECK_CU(add(s, 1));
  CHECK_CU(cuStreamDestroy_v2(s));
  EXPECT_EQ(20, read()[17]);
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, cuStreamDestroy_v2(s));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, cuStreamSynchronize(s));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, add(s, 1));
}

TEST_F(Stream, AnswersWhatItIs) {
  CUstream s = nullptr;
  CHECK_CU(cuStreamCreateWithPriority(&s, CU_STREAM_NON_BLOCKING, -100));
  int least = 1, greatest = 1, priority = 1;
  CHECK_CU(cuCtxGetStreamPriorityRange(&least, &greatest));
  CHECK_CU(cuStreamGetPriority(s, &priority));
  EXPECT_EQ(greatest, priority);
  unsigned flags = 0;
  CHECK_CU(cuStreamGetFlags(s, &flags));
  EXPECT_EQ(CU_STREAM_NON_BLOCKING, flags);
  CUcontext context = nullptr;
  CHECK_CU(cuStreamGetCtx(s, &context));
  EXPECT_EQ(context_, context);
  unsigned long long id = 0, other = 0;
  CHECK_CU(cuStreamGetId(s, &id));
  CHECK_CU(cuStreamGetId(nullptr, &other));
  EXPECT_NE(id, other);
  CUdevice device = -1;
  CHECK_CU(cuStreamGetDevice(s, &device));
  EXPECT_EQ(0, device);
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuStreamCreate(&s, 2));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuStreamCreate(nullptr, 0));
}

TEST_F(Stream, PerThreadDefaultStreamsAreTheThreadsOwn) {
  unsigned long long mine = 0, theirs = 0, again = 0;
  CHECK_CU(cuStreamGetId(CU_STREAM_PER_THREAD, &mine));
  std::thread([&] {
    cuCtxSetCurrent(context_);
    cuStreamGetId(CU_STREAM_PER_THREAD, &theirs);
  }).join();
  CHECK_CU(cuStreamGetId(CU_STREAM_PER_THREAD, &again));
  EXPECT_NE(mine, theirs);
  EXPECT_EQ(mine, again);
}

TEST_F(Stream, HostFunctionsRunInOrder) {
  CUstream s = stream();
  CHECK_CU(add(s, 1));
  CHECK_CU(cuMemcpyDtoHAsync_v2(pinned(), memory_, sizeof(int), s));
  CHECK_CU(cuLaunchHostFunc(
      s, [](void* value) { static_cast<int*>(value)[1] = static_cast<int*>(value)[0] + 41; },
      pinned()));
  CHECK_CU(cuMemcpyHtoDAsync_v2(memory_, pinned() + 1, sizeof(int), s));
  CHECK_CU(cuStreamSynchronize(s));
  EXPECT_EQ(42, read()[0]);
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuLaunchHostFunc(s, nullptr, nullptr));
}

// Random programs over four streams; a model on the host says what every cell must be.
TEST_F(Event, OrderIsKeptThroughAnyWebOfEvents) {
  std::mt19937 random(12345);
  std::vector<CUstream> streams;
  for (int i = 0; i < 4; i++) streams.push_back(stream());
  unsigned expected = 0;
  int last = 0;
  CUevent e = event(CU_EVENT_DISABLE_TIMING);
  for (unsigned step = 0; step < 500; step++) {
    const int next = random() % 4;
    if (next != last) {
      CHECK_CU(cuEventRecord(e, streams[last]));
      CHECK_CU(cuStreamWaitEvent(streams[next], e, 0));
    }
    CHECK_CU(chain(streams[next], step));
    expected = expected * 31 + step;
    last = next;
  }
  EXPECT_EQ(expected, static_cast<unsigned>(read()[0]));
}

TEST_F(Event, AWaitIsForTheRecordBeforeIt) {
  CUstream a = stream(), b = stream();
  CUevent e = event();
  pinned()[0] = 0;
  CHECK_CU(cuEventRecord(e, a));
  CHECK_CU(cuStreamWaitEvent(b, e, 0));
  CHECK_CU(spin(a, pinned_address()));
  CHECK_CU(cuEventRecord(e, a));  // later: b does not wait for this one
  CHECK_CU(cuStreamSynchronize(b));
  EXPECT_EQ(CUDA_ERROR_NOT_READY, cuEventQuery(e));
  reinterpret_cast<std::atomic<int>*>(pinned())->store(1);
  CHECK_CU(cuEventSynchronize(e));
}

TEST_F(Event, NeverRecordedIsDone) {
  CUstream s = stream();
  CUevent e = event();
  EXPECT_EQ(CUDA_SUCCESS, cuEventQuery(e));
  EXPECT_EQ(CUDA_SUCCESS, cuEventSynchronize(e));
  EXPECT_EQ(CUDA_SUCCESS, cuStreamWaitEvent(s, e, 0));
  float ms = 0;
  CUevent done = event();
  CHECK_CU(cuEventRecord(done, s));
  CHECK_CU(cuEventSynchronize(done));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime_v2(&ms, e, done));
}

TEST_F(Event, RefusesWhatTheDriverRefuses) {
  CUstream s = stream();
  CUevent plain = event(), untimed = event(CU_EVENT_DISABLE_TIMING), made = nullptr;
  float ms = 0;
  CHECK_CU(cuEventRecord(plain, s));
  CHECK_CU(cuEventRecord(untimed, s));
  CHECK_CU(cuStreamSynchronize(s));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime_v2(&ms, plain, untimed));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuEventCreate(&made, CU_EVENT_INTERPROCESS));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuEventCreate(&made, 64));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuStreamWaitEvent(s, plain, 8));
  CUcontext other = nullptr;
  CHECK_CU(cuCtxCreate_v2(&other, 0, 0));
  CUevent foreign = event();
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, cuEventRecord(plain, nullptr));  // other's legacy stream
  CHECK_CU(cuCtxSetCurrent(context_));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, cuEventRecord(foreign, s));
  CHECK_CU(cuCtxDestroy_v2(other));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, cuEventQuery(foreign));
  CHECK_CU(cuEventDestroy_v2(plain));
  EXPECT_EQ(CUDA_ERROR_INVALID_HANDLE, cuEventDestroy_v2(plain));
}

TEST_F(Event, ElapsedTimeIsTheClocks) {
  CUstream s = stream();
  CUevent from = event(), to = event();
  const size_t bytes = 55'400'000;  // one millisecond of the default link, one way
  void* host = nullptr;
  CUdeviceptr device = 0;
  CHECK_CU(cuMemHostAlloc(&host, bytes, 0));
  CHECK_CU(cuMemAlloc_v2(&device, bytes));
  CHECK_CU(cuEventRecord(from, s));
  CHECK_CU(cuMemcpyHtoDAsync_v2(device, host, bytes, s));
  CHECK_CU(cuEventRecord(to, s));
  CHECK_CU(cuStreamSynchronize(s));
  float ms = 0;
  CHECK_CU(cuEventElapsedTime_v2(&ms, from, to));
  EXPECT_NEAR(1.0, ms, 0.02);
}

TEST_F(MemOp, AWaitHoldsItsStreamAndNoOther) {
  CUstream waiting = stream(), other = stream();
  CHECK_CU(cuStreamWaitValue32_v2(waiting, memory_ + 64, 3, CU_STREAM_WAIT_VALUE_EQ));
  CHECK_CU(chain(waiting, 9));
  CHECK_CU(cuStreamWriteValue32_v2(other, memory_ + 128, 1, 0));
  CHECK_CU(cuStreamSynchronize(other));
  EXPECT_EQ(CUDA_ERROR_NOT_READY, cuStreamQuery(waiting));
  CHECK_CU(cuStreamWriteValue32_v2(other, memory_ + 64, 3, 0));
  CHECK_CU(cuStreamSynchronize(waiting));
  EXPECT_EQ(9, read()[0]);
  EXPECT_EQ(3, read()[16]);
}

TEST_F(MemOp, TheHostCanRelease) {
  CUstream s = stream();
  auto* flag = reinterpret_cast<std::atomic<uint64_t>*>(pinned());
  *flag = 5;
  CHECK_CU(cuStreamWaitValue64_v2(s, pinned_address(), 6, CU_STREAM_WAIT_VALUE_GEQ));
  CHECK_CU(chain(s, 4));
  EXPECT_EQ(CUDA_ERROR_NOT_READY, cuStreamQuery(s));
  *flag = 7;
  CHECK_CU(cuStreamSynchronize(s));
  EXPECT_EQ(4, read()[0]);
}

TEST_F(MemOp, ComparesAsDocumented) {
  CUstream s = stream();
  struct Row {
    uint32_t memory, value;
    unsigned flags;
  };
  // All satisfied: a mistake would hang, so the wait is bounded.
  for (const Row row : {Row{1, 0xffffffff, CU_STREAM_WAIT_VALUE_GEQ},  // cyclic
                        Row{6, 2, CU_STREAM_WAIT_VALUE_AND}, Row{8, 3, CU_STREAM_WAIT_VALUE_NOR},
                        Row{9, 9, CU_STREAM_WAIT_VALUE_EQ}}) {
    CHECK_CU(cuStreamWriteValue32_v2(s, memory_, row.memory, 0));
    CHECK_CU(cuStreamWaitValue32_v2(s, memory_, row.value, row.flags));
    for (int i = 0; i < 2000 && cuStreamQuery(s) == CUDA_ERROR_NOT_READY; i++) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_EQ(CUDA_SUCCESS, cuStreamQuery(s)) << row.memory << ' ' << row.value << ' ' << row.flags;
  }
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuStreamWaitValue32_v2(s, memory_ + 2, 0, 0));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuStreamWriteValue64_v2(s, memory_ + 4, 0, 0));
  EXPECT_EQ(CUDA_ERROR_INVALID_VALUE, cuStreamWriteValue32_v2(s, 64, 0, 0));
}

}  // namespace
}  // namespace exec
