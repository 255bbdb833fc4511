// SPDX-License-Identifier: Apache-2.0
// Recording: record(state, event) from any thread. When off, one relaxed load. When on, no lock and
// no system call: the event is encoded into the thread's own ring, which a thread of ours empties
// into the file (writer.h).
#pragma once

#include <time.h>

#include <string_view>

#include "runtime/trace/ring.h"

namespace spillway::trace {

inline constinit std::atomic<bool> recording{false};
inline bool on() noexcept {
  return recording.load(std::memory_order_relaxed);
}

// Nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share.
inline uint64_t now() noexcept {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// The calling thread's, made at its first event; null: there is no memory for one.
Ring* own_ring(std::atomic<Ring*>& place) noexcept;
void wake_writer() noexcept;
// The thread that recorded into it has ended, and its place goes to the calling thread.
void ring_changes_hands(Ring& ring) noexcept;

// `place`: where the calling thread keeps its ring; it outlives the thread.
template <class E>
void record(std::atomic<Ring*>& place, const E& event) noexcept {
  Ring* ring = place.load(std::memory_order_relaxed);
  if (!ring) [[unlikely]]
    if (!(ring = own_ring(place))) return;
  if (ring->append(now(), event)) [[unlikely]]
    wake_writer();
}

// The number of a text, for events to come: the same for the same text. Takes a lock; for what is
// looked up once.
uint64_t name(NameOf what, std::string_view text) noexcept;

}  // namespace spillway::trace
