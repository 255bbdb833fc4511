// SPDX-License-Identifier: Apache-2.0
#include "runtime/thread_state.h"

#include <sched.h>

#include "runtime/completion.h"
#include "runtime/trace/recorder.h"

namespace spillway {

constinit thread_local ThreadState* tls_thread_state = nullptr;

namespace {

std::atomic<ThreadState*> all_threads{nullptr};

struct Goodbye {
  ~Goodbye() {
    ThreadState* state = tls_thread_state;
    if (!state) return;
    tls_thread_state =
        nullptr;  // a later destructor of this thread may call CUDA: it registers anew
    thread_ended(*state);
    state->taken.store(false, std::memory_order_release);
  }
};

}  // namespace

ThreadState& register_thread() {
  thread_local Goodbye goodbye;
  (void)goodbye;
  for (ThreadState* state = all_threads.load(std::memory_order_acquire); state;
       state = state->next) {
    bool expected = false;
    if (state->taken.compare_exchange_strong(expected, true)) {
      state->forget_context();
      if (trace::Ring* ring = state->ring.load()) trace::ring_changes_hands(*ring);
      return *(tls_thread_state = state);
    }
  }
  auto* state = new ThreadState;  // leaked on purpose: drain_gates may look at any time
  state->next = all_threads.load(std::memory_order_relaxed);
  while (!all_threads.compare_exchange_weak(state->next, state, std::memory_order_seq_cst)) {
  }
  return *(tls_thread_state = state);
}

void drain_gates() {
  for (ThreadState* state = all_threads.load(std::memory_order_seq_cst); state;
       state = state->next) {
    const uint64_t seen = state->gate.load(std::memory_order_seq_cst);
    if (!(seen & 1)) continue;
    for (int spins = 0; state->gate.load(std::memory_order_seq_cst) == seen; spins++)
      if (spins > 64) sched_yield();
  }
}

uint64_t count_launches() {
  uint64_t sum = 0;
  for (ThreadState* state = all_threads.load(std::memory_order_acquire); state; state = state->next)
    sum += state->launches.load(std::memory_order_relaxed);
  return sum;
}

void reset_threads_after_fork() {
  all_threads.store(nullptr);  // the parent's objects are leaked: their owners do not exist here
  tls_thread_state = nullptr;
}

}  // namespace spillway
