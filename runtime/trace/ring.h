// SPDX-License-Identifier: Apache-2.0
// The bytes between one thread that records and the one that writes. The memory is mapped twice,
// one copy behind the other, so that what goes over the end needs no care.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "runtime/trace/encode.h"

namespace spillway::trace {

class Ring {
 public:
  static constexpr size_t kBytes = 512 << 10;

  // Null: the system has no memory for it.
  static Ring* make() noexcept;

  // --- the thread that records ---
  // Appends a whole event, or counts it as lost. True when the writer should come early.
  template <class E>
  bool append(uint64_t time, const E& event) noexcept {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    const uint64_t used = head - tail_.load(std::memory_order_acquire);
    if (used > kBytes - 2 * kLongestEvent) [[unlikely]] {
      lost_++;
      return true;
    }
    uint8_t* at = memory_ + head % kBytes;
    uint8_t* end = at;
    if (lost_) [[unlikely]] {
      end = encode(end, time, Lost{lost_});
      lost_ = 0;
    }
    end = encode(end, time, event);
    head_.store(head + static_cast<uint64_t>(end - at), std::memory_order_release);
    return used > kBytes / 2;
  }

  // --- the one that writes ---
  std::span<const uint8_t> written() const noexcept {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    return {memory_ + tail % kBytes,
            static_cast<size_t>(head_.load(std::memory_order_acquire) - tail)};
  }
  void taken(size_t bytes) noexcept {
    tail_.store(tail_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
  }

  uint64_t slot = 0;             // its number in the trace
  std::atomic<uint64_t> tid{0};  // of the thread that records
  Ring* next = nullptr;          // of all there are

 private:
  explicit Ring(uint8_t* memory) : memory_(memory) {}
  uint8_t* const memory_;
  uint64_t lost_ = 0;
  alignas(64) std::atomic<uint64_t> head_{0};
  alignas(64) std::atomic<uint64_t> tail_{0};
};

}  // namespace spillway::trace
