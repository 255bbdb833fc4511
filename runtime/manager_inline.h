// SPDX-License-Identifier: Apache-2.0
// The launch path. When everything a launch names is on the device it takes no lock, calls no
// driver function but the launch itself, and allocates nothing.
#pragma once

#include "runtime/engine.h"
#include "runtime/manager.h"
#include "runtime/trace/recorder.h"

namespace spillway {

// A callable by reference, for the paths that are not worth a template.
class Submission {
 public:
  template <class Submit>
  explicit Submission(Submit& submit)
      : object_(const_cast<void*>(static_cast<const void*>(&submit))),
        call_([](void* object) -> CUresult { return (*static_cast<Submit*>(object))(); }) {}
  CUresult operator()() const { return call_(object_); }

 private:
  void* object_;
  CUresult (*call_)(void*);
};

template <class Submit>
CUresult Manager::launch(CUfunction function, void** params, void** extra, StreamRef ref,
                         Submit&& submit) noexcept {
  ThreadState& thread = thread_state();
  thread.launches.store(thread.launches.load(std::memory_order_relaxed) + 1,
                        std::memory_order_relaxed);
  StreamState* stream = engine_.completion.resolve(ref, thread);
  if (stream) [[likely]] {
    const Arena& arena = engine_.arena;
    thread.enter();
    const uint64_t number = use_clock.fetch_add(1, std::memory_order_relaxed);
    const bool shared = stream->shared.load(std::memory_order_relaxed);
    const Layout* layout = engine_.layouts.find(function);
    const bool plain = layout && layout->plain.load(std::memory_order_relaxed);
    const auto use = [&](uint64_t address) {
      Range* range = arena.at(address);
      if (!range) return true;
      if (!plain) return false;  // what it stores is not known yet
      if (range->joined.load(std::memory_order_relaxed)) [[unlikely]]
        return use_joined(*range, address, *stream, {stream->id, number}, shared);
      if (!range->settled.load(std::memory_order_seq_cst)) return false;
      Completion::mark_again(*range, *stream, {stream->id, number}, shared);
      return true;
    };
    bool ready = layout;
    if (extra)
      ready = ready && scan_extra(extra, arena.base(), arena.size(), use);
    else
      ready = ready && (params || layout->words.empty()) &&
              scan_params(*layout, params, arena.base(), arena.size(), use);
    if (ready && !fast_path.captures.load(std::memory_order_relaxed) &&
        !fast_path.timed.load(std::memory_order_relaxed)) [[likely]] {
      stream->last.store(number, std::memory_order_relaxed);
      const CUresult result = submit();
      if (trace::on()) [[unlikely]]
        tell_launch(function, params, extra, *stream);
      thread.leave();
      if (fast_path.short_of_memory.load(std::memory_order_relaxed))
        engine_.completion.launched(*stream);
      if (fast_path.watched.load(std::memory_order_relaxed)) [[unlikely]]
        watch_launch(function, params, extra);
      if (result != CUDA_ERROR_OUT_OF_MEMORY) [[likely]]
        return result;
    } else {
      thread.leave();
    }
  }
  auto later = submit;  // the address of a copy escapes, so that the fast path's stays in registers
  return launch_slowly(function, params, extra, ref, Submission(later));
}

template <class Submit>
CUresult Manager::launch_unknown(StreamRef ref, Submit&& submit) noexcept {
  return launch_anything(ref, Submission(submit));
}

template <class Submit>
CUresult Manager::touch(std::span<const Access> accesses, StreamRef ref, Submit&& submit) noexcept {
  for (const Access& access : accesses)
    if (serves(access.address)) return touch_slowly(accesses, ref, Submission(submit));
  return submit();
}

template <class Submit>
CUresult Manager::rewrite(std::span<const Rewrite> rewrites, StreamRef ref,
                          Submit&& submit) noexcept {
  bool blind = !engine_.hidden.any();  // nothing known that could be overwritten, nothing to read
  for (const Rewrite& rewrite : rewrites) blind &= rewrite.source == Rewrite::Source::Set;
  return blind ? submit() : rewrite_slowly(rewrites, ref, Submission(submit));
}

template <class Submit>
CUresult Manager::pin_for(Hidden::Kind kind, const unsigned long long* object, CUdeviceptr address,
                          PinReason reason, Submit&& submit) noexcept {
  return serves(address) ? pin_object(kind, object, address, reason, Submission(submit)) : submit();
}

template <class Submit>
CUresult Manager::graph_rewrite(CUgraphExec exec, Submit&& submit) noexcept {
  return rewrite_by_graph(exec, Submission(submit));
}

template <class Submit>
CUresult Manager::hold(std::span<const Access> accesses, Submit&& submit) noexcept {
  for (const Access& access : accesses)
    if (serves(access.address)) return hold_slowly(accesses, Submission(submit));
  return submit();
}

template <class Submit>
CUresult Manager::hold_graph(CUgraph graph, Submit&& submit) noexcept {
  return hold_nodes(graph, Submission(submit));
}

template <class Submit>
CUresult Manager::graph_launch(CUgraphExec exec, StreamRef ref, Submit&& submit) noexcept {
  return launch_graph(exec, ref, Submission(submit));
}

template <class Submit>
CUresult Manager::begin_capture(StreamRef ref, Submit&& submit) noexcept {
  capture_begins(ref);
  // Counted before it begins: a launch that follows must not miss it.
  fast_path.captures.fetch_add(1, std::memory_order_relaxed);
  const CUresult result = submit();
  if (result != CUDA_SUCCESS) fast_path.captures.fetch_sub(1, std::memory_order_relaxed);
  return result;
}

template <class Submit>
CUresult Manager::end_capture(Submit&& submit) noexcept {
  const CUresult result = submit();
  // Every other failure ends the capture all the same: it was invalid.
  if (result != CUDA_ERROR_ILLEGAL_STATE && result != CUDA_ERROR_INVALID_HANDLE &&
      result != CUDA_ERROR_INVALID_CONTEXT && result != CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD &&
      fast_path.captures.load(std::memory_order_relaxed) > 0)
    fast_path.captures.fetch_sub(1, std::memory_order_relaxed);
  return result;
}

inline bool Manager::serves(CUdeviceptr address) const noexcept {
  return engine_.arena.at(address) != nullptr;
}

}  // namespace spillway
