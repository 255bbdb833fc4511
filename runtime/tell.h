// SPDX-License-Identifier: Apache-2.0
// What the engine tells the trace. Off, each is one relaxed load.
#pragma once

#include "runtime/engine.h"
#include "runtime/thread_state.h"
#include "runtime/trace/recorder.h"

namespace spillway {

template <class E>
inline void tell(const E& event) noexcept {
  if (trace::on()) [[unlikely]]
    trace::record(thread_state().ring, event);
}

// SPILLWAY_TRACE: begins, with the budgets; ended by the exit handler of the summary.
void begin_trace(Engine& engine) noexcept;
void tell_budget(Engine& engine, const Device& device) noexcept;

// Of a call's ranges, those that somebody allocated, as the trace numbers them; on its caller's
// stack.
class RangeIds {
 public:
  void add(const Range& range) {
    if (range.life == Life::Seam || count_ == kMost) return;
    if (count_ && numbers_[count_ - 1] == range.buffer_id) return;
    numbers_[count_++] = range.buffer_id;
  }
  std::span<const uint64_t> all() const { return {numbers_, count_}; }

 private:
  static constexpr size_t kMost = 1024;
  uint64_t numbers_[kMost];
  size_t count_ = 0;
};

// A piece that has moved, and when it was asked to. With the ledger.
void tell_moved(const Piece& piece, bool out, Cause cause) noexcept;
// A use that was submitted.
struct Told {
  enum class What : uint8_t { Launch, Graph, Copy } what = What::Launch;
  uint64_t number = 0;  // the kernel's name, the graph, the bytes
};
void tell_use(Engine& engine, Told use, const StreamState* stream, const RangeIds& ranges) noexcept;
void tell_use(Engine& engine, Told use, const StreamState* stream,
              std::span<Range* const> ranges) noexcept;
// After Device::external has changed.
void tell_outside(Device& device) noexcept;
// Calls of the application that had to wait, from construction on.
class Stall {
 public:
  Stall() : began_(trace::now()) {}
  void tell_end(Engine& engine, trace::StallFor what,
                std::span<Range* const> ranges) const noexcept;

 private:
  uint64_t began_;
};

}  // namespace spillway
