// SPDX-License-Identifier: Apache-2.0
// What each application thread owns: the gate it passes while it submits a launch, and its memory
// of recently used streams. Gates replace a lock on the launch path: a mover first clears
// Range::settled, then waits until every thread that was inside its gate has left it once; whoever
// enters later sees the flag cleared. (Both sides use seq_cst, as in Dekker's algorithm.)
#pragma once

#include <cuda.h>

#include <atomic>
#include <cstdint>

namespace spillway {

struct Device;
struct StreamState;
namespace trace {
class Ring;
}

struct alignas(64) ThreadState {
  std::atomic<uint64_t> gate{0};  // odd: inside
  std::atomic<uint64_t> launches{0};

  struct CachedStream {
    CUstream handle = nullptr;
    StreamState* state = nullptr;
    uint64_t epoch = 0;  // stale when it differs from stream_epoch()
  };
  static constexpr int kCachedStreams = 16;
  CachedStream streams[kCachedStreams];
  CachedStream& cached_stream(CUstream handle) {
    const auto bits = reinterpret_cast<uintptr_t>(handle);  // 1 and 2 are the default streams
    return streams[(bits >> 6 ^ bits) % kCachedStreams];
  }

  // Where this thread is: its current context, and the device of it. Stale as above.
  struct Here {
    CUcontext context = nullptr;
    Device* device = nullptr;
    uint64_t epoch = 0;
  } here;

  std::atomic<trace::Ring*> ring{nullptr};  // what it has told the trace

  // Registry; entries are reused after their thread ended, never deleted.
  std::atomic<bool> taken{true};
  ThreadState* next = nullptr;

  void enter() { gate.store(gate.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst); }
  void leave() { gate.store(gate.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
  void forget_context() {
    for (CachedStream& entry : streams) entry = {};
    here = {};
  }
};

extern constinit thread_local ThreadState* tls_thread_state
    __attribute__((tls_model("initial-exec")));
ThreadState& register_thread();  // first call of a thread

inline ThreadState& thread_state() {
  return tls_thread_state ? *tls_thread_state : register_thread();
}

// Returns when every thread that is inside its gate at the call has left it. Must not be called
// from inside a gate.
void drain_gates();
// Launches seen so far, by all threads.
uint64_t count_launches();
// In a forked child: only the calling thread exists.
void reset_threads_after_fork();

}  // namespace spillway
