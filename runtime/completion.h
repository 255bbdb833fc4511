// SPDX-License-Identifier: Apache-2.0
// When is a use over? Every use (launch, copy) gets a number from one counter and is remembered
// with its stream. A marker is an event recorded in a stream; it covers every use of that stream
// with a smaller number. Markers are recorded on demand, and every few launches while memory is
// short, so that an eviction need not wait for work submitted after the victim's last use.
#pragma once

#include <cuda.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "runtime/access.h"
#include "runtime/driver.h"
#include "runtime/range.h"
#include "runtime/thread_state.h"

namespace spillway {

// Numbers uses; starts at 1 so that 0 means "never".
extern std::atomic<uint64_t> use_clock;

struct Marker {
  CUevent event = nullptr;
  uint64_t covers = 0;  // uses with a smaller number
};

struct StreamState {
  CUstream handle = nullptr;  // CU_STREAM_LEGACY, CU_STREAM_PER_THREAD, or the application's
  CUcontext context = nullptr;
  uint16_t id = 0;
  ThreadState* owner = nullptr;           // the first thread that used it
  std::atomic<bool> shared{false};        // other threads use it too: see Completion::resolve
  std::atomic<uint64_t> completed{0};     // uses with a smaller number are over
  std::atomic<uint64_t> last{0};          // number of the last use (a hint while shared)
  std::atomic<uint32_t> since_marker{0};  // launches, counted by the owner
  // Guarded by Completion's mutex:
  bool gone = false;      // destroyed, or its thread ended: no marker can be recorded any more
  bool sealed = false;    // ... and its last marker covers everything
  bool finished = false;  // ... and everything in it is known to be over
  std::deque<Marker> markers;
};

StreamState* stream_by_id(uint16_t id);  // without a lock
// Raised when a stream or context dies: every thread's cached look-ups end.
extern std::atomic<uint64_t> stream_epoch_word;
inline uint64_t stream_epoch() {
  return stream_epoch_word.load(std::memory_order_acquire);
}

enum class Waited { Done, Pending, Unknown, Failed };

class Completion {
 public:
  // timing: markers tell times; for lock-step.
  Completion(const Driver& driver, bool timing)
      : driver_(driver), flags_(timing ? CU_EVENT_DEFAULT : CU_EVENT_DISABLE_TIMING) {}

  // The stream that `ref` means on this thread. Null when it cannot be told (no context, too many
  // streams): the use then counts for all streams.
  StreamState* resolve(StreamRef ref, ThreadState& thread) noexcept {
    const CUstream handle = ref.handle       ? ref.handle
                            : ref.per_thread ? CU_STREAM_PER_THREAD
                                             : CU_STREAM_LEGACY;
    auto& entry = thread.cached_stream(handle);
    if (entry.handle == handle && entry.epoch == stream_epoch()) [[likely]]
      return entry.state;
    return resolve_anew(handle, thread);
  }

  // Notes a use under a number taken after its submission, or, for a thread inside its gate,
  // before.
  static void mark(Range& range, StreamState* stream, uint64_t number) noexcept;
  // The same from inside a gate, where the stream has mostly used the range before. `use`: of this
  // stream; `shared`: StreamState::shared, read inside the gate.
  static void mark_again(Range& range, StreamState& stream, Use use, bool shared) noexcept {
    std::atomic<uint64_t>& slot = range.uses[0];
    if (!shared && Use::unpack(slot.load(std::memory_order_relaxed)).stream == use.stream)
        [[likely]]
      slot.store(use.pack(), std::memory_order_release);
    else
      mark(range, &stream, use.number);
  }

  // True when every use of the range is known to be over. Where that is not known yet, asks the
  // driver, without waiting, and leaves a marker behind so that a later question has an answer.
  bool idle(const Range& range) noexcept;
  // A marker behind the range's last use. Null: its uses are over, or cannot be marked now.
  CUevent end_of(const Range& range) noexcept;
  // Makes `waiter` wait, on the GPU, for every use of the range. Unknown: some stream cannot be
  // marked now (it is capturing, or belongs to a thread that only it can name).
  Waited order_after_uses(const Range& range, CUstream waiter) noexcept;
  // Waits on the host. Falls back to cuCtxSynchronize where no marker can be had.
  Waited wait_for_uses(const Range& range) noexcept;
  // The same as cuMemFree promises: everything submitted so far in the context, in any stream, is
  // noted as a use of the range, and markers are left so that its end will be known.
  void mark_all_streams(Range& range) noexcept;

  void launched(StreamState& stream) noexcept;  // while memory is short: marker cadence
  // What was submitted to the stream so far stays answerable when the stream itself will not.
  void leave_marker(StreamState& stream) noexcept;
  // The same for the calling thread's per-thread streams, which nobody else can mark.
  void leave_own_marker(ThreadState& self) noexcept;
  void stream_destroying(CUstream handle) noexcept;
  void context_destroying(CUcontext context) noexcept;
  void thread_ended(ThreadState& thread) noexcept;

 private:
  StreamState* resolve_anew(CUstream handle, ThreadState& thread) noexcept;
  StreamState* find_or_create(CUstream handle, CUcontext context, ThreadState& thread) noexcept;
  // With mutex_ held; neither allocates nor frees in the driver but for cuEventCreate, which is
  // called with it released.
  bool record(std::unique_lock<std::mutex>& held, StreamState& stream) noexcept;
  CUevent take_event(std::unique_lock<std::mutex>& held, CUcontext context) noexcept;
  void poll(StreamState& stream) noexcept;
  void pop(StreamState& stream) noexcept;  // its oldest marker is over
  // A marker that covers the number is there already, or can be recorded now.
  bool covered(std::unique_lock<std::mutex>& held, StreamState& stream, uint64_t number) noexcept;
  template <class Visit>
  Waited for_each_open_use(const Range& range, Visit&& visit) noexcept;

  const Driver& driver_;
  const unsigned flags_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<StreamState>> streams_;  // by id; never shrinks, entries are reused
  std::unordered_map<CUstream, StreamState*> by_handle_;
  std::unordered_map<CUcontext, std::vector<CUevent>> spare_events_;
};

void thread_ended(ThreadState& thread) noexcept;

}  // namespace spillway
