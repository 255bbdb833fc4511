// SPDX-License-Identifier: Apache-2.0
#include "runtime/completion.h"

#include <algorithm>

#include "runtime/capture.h"
#include "runtime/context_scope.h"
#include "runtime/engine.h"
#include "runtime/raise.h"

namespace spillway {

std::atomic<uint64_t> use_clock{1};
std::atomic<uint64_t> stream_epoch_word{1};

namespace {

constexpr size_t kMaxStreams = 65535;  // ids are 16 bits; 0 is "none"
// Launches between markers while memory is short. A marker costs the launching thread about a
// microsecond; the later it comes, the later what it covers can leave. bench-mover's GPT and U-Net,
// virtual ms: 589 and 892 with 1, 597 and 883 with 4, 626 and 896 with 16, 632 and 916 with 64
// (2026-11-27).
constexpr uint32_t kMarkerCadence = 4;
constexpr size_t kMostMarkers = 64;  // lock-step
constexpr uint64_t kForever = ~uint64_t{0};

std::atomic<StreamState*> by_id[kMaxStreams + 1];

bool special(CUstream handle) {
  return handle == CU_STREAM_LEGACY || handle == CU_STREAM_PER_THREAD;
}

}  // namespace

StreamState* stream_by_id(uint16_t id) {
  return by_id[id].load(std::memory_order_acquire);
}
void thread_ended(ThreadState& thread) noexcept {
  // In a forked child a thread that is not there may have the lock for good.
  Engine* engine = Engine::current();
  if (engine && engine->owner == getpid()) engine->completion.thread_ended(thread);
}

StreamState* Completion::resolve_anew(CUstream handle, ThreadState& thread) noexcept {
  const uint64_t now = stream_epoch();
  CUcontext context = nullptr;
  if (special(handle)) {
    driver_.cuCtxGetCurrent(&context);
  } else if (driver_.cuStreamGetCtx(handle, &context) != CUDA_SUCCESS) {
    return nullptr;  // not a stream: the driver will say so to the application
  }
  if (!context) return nullptr;
  // A device that allocates nothing may run what names memory of another one: it is known, and sees
  // what is mapped there, before its first work.
  Engine* const engine = Engine::current();
  if (engine && engine->context() != context) {
    ContextScope there(driver_, context);
    thread.here = {};
    engine->device();
    thread.here = {};  // of this scope only
  }
  StreamState* state = find_or_create(handle, context, thread);
  if (state) thread.cached_stream(handle) = {handle, state, now};
  return state;
}

StreamState* Completion::find_or_create(CUstream handle, CUcontext context,
                                        ThreadState& thread) noexcept {
  StreamState* state = nullptr;
  {
    std::lock_guard held(mutex_);
    if (!special(handle)) {
      auto found = by_handle_.find(handle);
      if (found != by_handle_.end()) state = found->second;
    } else {
      for (auto& each : streams_)
        if (!each->gone && each->handle == handle && each->context == context &&
            (handle == CU_STREAM_LEGACY || each->owner == &thread)) {
          state = each.get();
          break;
        }
    }
    if (!state) {
      for (auto& each : streams_)
        if (each->gone && each->finished) {  // everything in it is over: the id may serve again
          state = each.get();
          break;
        }
      if (state) {
        state->gone = state->sealed = state->finished = false;
        state->completed.store(0, std::memory_order_relaxed);
        state->last.store(0, std::memory_order_relaxed);
        state->since_marker = 0;
      } else {
        if (streams_.size() >= kMaxStreams) return nullptr;
        streams_.push_back(std::make_unique<StreamState>());
        state = streams_.back().get();
        state->id = static_cast<uint16_t>(streams_.size());
      }
      state->handle = handle;
      state->context = context;
      state->owner = &thread;
      state->shared.store(false, std::memory_order_relaxed);
      by_id[state->id].store(state, std::memory_order_release);
      if (!special(handle)) by_handle_[handle] = state;
    }
    if (state->owner == &thread || state->shared.load(std::memory_order_relaxed)) return state;
    state->shared.store(true, std::memory_order_seq_cst);
  }
  // A second thread begins to use the stream. The first may be about to note a use the cheap way,
  // which could overwrite a later number of ours: wait until it has seen `shared`.
  drain_gates();
  return state;
}

void Completion::mark(Range& range, StreamState* stream, uint64_t number) noexcept {
  if (stream) {
    stream->last.store(number, std::memory_order_relaxed);
    const uint64_t word = Use{stream->id, number}.pack();
    const bool shared = stream->shared.load(std::memory_order_relaxed);
    for (auto& slot : range.uses) {
      uint64_t seen = slot.load(std::memory_order_relaxed);
      if (seen >> 48 == stream->id) {
        if (!shared) {
          slot.store(word, std::memory_order_release);
          return;
        }
        while (seen >> 48 == stream->id)  // until ours is in, or a later one of this stream is
          if (seen >= word || slot.compare_exchange_weak(seen, word)) return;
      }
    }
    for (auto& slot : range.uses) {
      uint64_t seen = slot.load(std::memory_order_relaxed);
      while (true) {
        const Use use = Use::unpack(seen);
        const StreamState* other = use.number ? stream_by_id(use.stream) : nullptr;
        if (use.number && use.stream != stream->id && other->completed.load() <= use.number) break;
        if (use.number && use.stream == stream->id && seen >= word) return;
        if (slot.compare_exchange_weak(seen, word)) return;
      }
    }
  }
  raise(range.many, number);
}

template <class Visit>
Waited Completion::for_each_open_use(const Range& range, Visit&& visit) noexcept {
  Waited worst = Waited::Done;
  const auto note = [&](Waited answer) {
    if (static_cast<int>(answer) > static_cast<int>(worst)) worst = answer;
  };
  for (const auto& slot : range.uses) {
    const Use use = Use::unpack(slot.load(std::memory_order_seq_cst));
    if (!use.number) continue;
    StreamState* stream = stream_by_id(use.stream);
    if (stream->completed.load() <= use.number) note(visit(*stream, use.number));
  }
  if (const uint64_t number = range.many.load(std::memory_order_seq_cst)) {
    size_t count;
    {
      std::lock_guard held(mutex_);
      count = streams_.size();
    }
    for (size_t id = 1; id <= count; id++) {
      StreamState* stream = stream_by_id(static_cast<uint16_t>(id));
      if (stream && stream->completed.load() <= number) note(visit(*stream, number));
    }
  }
  return worst;
}

bool Completion::idle(const Range& range) noexcept {
  return for_each_open_use(range, [&](StreamState& stream, uint64_t number) {
           std::unique_lock held(mutex_);
           poll(stream);
           if (stream.completed.load() > number) return Waited::Done;
           if (covered(held, stream, number)) poll(stream);
           return stream.completed.load() > number ? Waited::Done : Waited::Pending;
         }) == Waited::Done;
}

bool Completion::covered(std::unique_lock<std::mutex>& held, StreamState& stream,
                         uint64_t number) noexcept {
  return (!stream.markers.empty() && stream.markers.back().covers > number) || record(held, stream);
}

void Completion::pop(StreamState& stream) noexcept {
  const Marker marker = stream.markers.front();
  raise(stream.completed, marker.covers);
  spare_events_[stream.context].push_back(marker.event);
  stream.markers.pop_front();
}

void Completion::poll(StreamState& stream) noexcept {
  while (!stream.markers.empty()) {
    if (driver_.cuEventQuery(stream.markers.front().event) != CUDA_SUCCESS) return;
    pop(stream);
  }
  if (stream.sealed) {
    stream.finished = true;
    raise(stream.completed, kForever);
  }
}

CUevent Completion::take_event(std::unique_lock<std::mutex>& held, CUcontext context) noexcept {
  auto& spare = spare_events_[context];
  if (!spare.empty()) {
    CUevent event = spare.back();
    spare.pop_back();
    return event;
  }
  held.unlock();
  CUevent event = nullptr;
  {
    ContextScope scope(driver_, context);
    if (driver_.cuEventCreate(&event, flags_) != CUDA_SUCCESS) event = nullptr;
  }
  held.lock();
  return event;
}

bool Completion::record(std::unique_lock<std::mutex>& held, StreamState& stream) noexcept {
  ThreadState& self = thread_state();
  if (stream.gone) return false;
  if (stream.handle == CU_STREAM_PER_THREAD && stream.owner != &self) return false;
  const CUevent event = take_event(held, stream.context);
  if (!event) return false;
  const auto give_back = [&] { spare_events_[stream.context].push_back(event); };
  if (stream.gone) return give_back(), false;  // it may have gone while the lock was released
  ContextScope scope(driver_, stream.context);
  RelaxedCapture relaxed(driver_);
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  // A capturing stream would record our event into the application's graph, and the legacy stream
  // would invalidate captures of blocking streams: ask first.
  if (driver_.cuStreamIsCapturing(stream.handle, &status) != CUDA_SUCCESS ||
      status != CU_STREAM_CAPTURE_STATUS_NONE)
    return give_back(), false;
  const uint64_t covers = use_clock.load(std::memory_order_seq_cst);
  // Uses with smaller numbers by other threads may still be on their way to the driver.
  if (stream.owner != &self || stream.shared.load()) drain_gates();
  if (driver_.cuEventRecord(event, stream.handle) != CUDA_SUCCESS) return give_back(), false;
  stream.markers.push_back({event, covers});
  stream.since_marker = 0;
  return true;
}

CUevent Completion::end_of(const Range& range) noexcept {
  CUevent end = nullptr;
  for_each_open_use(range, [&](StreamState& stream, uint64_t number) {
    std::unique_lock held(mutex_);
    poll(stream);
    if (stream.completed.load() > number || !covered(held, stream, number)) return Waited::Done;
    for (const Marker& marker : stream.markers)
      if (marker.covers > number) return end = marker.event, Waited::Done;
    return Waited::Done;
  });
  return end;
}

Waited Completion::order_after_uses(const Range& range, CUstream waiter) noexcept {
  return for_each_open_use(range, [&](StreamState& stream, uint64_t number) {
    std::unique_lock held(mutex_);
    poll(stream);
    if (stream.completed.load() > number) return Waited::Done;
    if (!covered(held, stream, number)) return Waited::Unknown;
    for (const Marker& marker : stream.markers)  // the first that covers it waits for least
      if (marker.covers > number)
        return driver_.cuStreamWaitEvent(waiter, marker.event, 0) == CUDA_SUCCESS ? Waited::Done
                                                                                  : Waited::Failed;
    return stream.completed.load() > number ? Waited::Done : Waited::Unknown;
  });
}

Waited Completion::wait_for_uses(const Range& range) noexcept {
  return for_each_open_use(range, [&](StreamState& stream, uint64_t number) {
    std::unique_lock held(mutex_);
    poll(stream);
    if (stream.completed.load() <= number && covered(held, stream, number)) {
      while (stream.completed.load() <= number && !stream.markers.empty()) {
        const CUevent event = stream.markers.front().event;
        held.unlock();  // waiting is no time to hold a lock; a recycled event only waits for longer
        const CUresult result = driver_.cuEventSynchronize(event);
        held.lock();
        if (result != CUDA_SUCCESS) return Waited::Failed;
        poll(stream);
      }
    }
    if (stream.completed.load() > number) return Waited::Done;
    // To synchronise the context would invalidate the application's capture.
    if (fast_path.captures.load(std::memory_order_relaxed)) return Waited::Unknown;
    const uint64_t covers = use_clock.load(std::memory_order_seq_cst);
    const CUcontext context = stream.context;
    held.unlock();
    drain_gates();
    ContextScope scope(driver_, context);
    RelaxedCapture relaxed(driver_);
    if (driver_.cuCtxSynchronize() != CUDA_SUCCESS) return Waited::Failed;
    held.lock();
    raise(stream.completed, covers);
    if (stream.gone) stream.finished = true;
    return Waited::Done;
  });
}

void Completion::mark_all_streams(Range& range) noexcept {
  std::vector<StreamState*> open;
  std::unique_lock held(mutex_);
  for (auto& stream : streams_) {
    const uint64_t last = stream->last.load();
    if (stream->finished || !last || (!stream->shared.load() && stream->completed.load() > last))
      continue;
    open.push_back(stream.get());
  }
  const uint64_t number = use_clock.fetch_add(1, std::memory_order_seq_cst);
  for (StreamState* stream : open) covered(held, *stream, number);
  held.unlock();
  if (open.size() > kInlineUses) return raise(range.many, number);
  for (StreamState* stream : open) mark(range, stream, number);
}

void Completion::launched(StreamState& stream) noexcept {
  // Another thread cannot name a per-thread stream: there, every launch leaves a marker.
  const uint32_t cadence = stream.handle == CU_STREAM_PER_THREAD ? 1 : kMarkerCadence;
  if (stream.shared.load(std::memory_order_relaxed) ||
      stream.since_marker.fetch_add(1, std::memory_order_relaxed) + 1 < cadence)
    return;
  std::unique_lock held(mutex_);
  poll(stream);
  record(held, stream);
}

void Completion::leave_marker(StreamState& stream) noexcept {
  std::unique_lock held(mutex_);
  poll(stream);
  record(held, stream);
}

void Completion::leave_own_marker(ThreadState& self) noexcept {
  for (const auto& cached : self.streams)
    if (cached.state && cached.handle == CU_STREAM_PER_THREAD && cached.epoch == stream_epoch())
      leave_marker(*cached.state);
}

void Completion::stream_destroying(CUstream handle) noexcept {
  std::unique_lock held(mutex_);
  const auto found = by_handle_.find(handle);
  if (found == by_handle_.end()) return;
  StreamState& stream = *found->second;
  stream.sealed = record(held, stream);  // destroying does not wait for the work: this marker tells
  stream.gone = true;
  by_handle_.erase(handle);
  stream_epoch_word.fetch_add(1, std::memory_order_release);
}

void Completion::context_destroying(CUcontext context) noexcept {
  std::lock_guard held(mutex_);
  for (auto& stream : streams_) {
    if (stream->context != context) continue;
    stream->gone = stream->finished = true;  // destroying a context ends its work
    stream->markers.clear();                 // the events die with it
    raise(stream->completed, kForever);
    std::erase_if(by_handle_, [&](auto& each) { return each.second == stream.get(); });
  }
  spare_events_.erase(context);
  stream_epoch_word.fetch_add(1, std::memory_order_release);
}

void Completion::thread_ended(ThreadState& thread) noexcept {
  std::lock_guard held(mutex_);
  for (auto& stream : streams_)
    if (stream->owner == &thread && stream->handle == CU_STREAM_PER_THREAD)
      stream->gone = true;
    else if (stream->owner == &thread)
      stream->shared.store(true);  // its next user is another
}

}  // namespace spillway
