// SPDX-License-Identifier: Apache-2.0
// The page of shared memory in which a job shows what it does just now, for `spillway top`:
// /dev/shm/spillway.UID.PID, 0600. Figures come with their names, so that an older or newer reader
// shows what it knows. The writer raises `sequence` before and after a change: odd is in between.
#pragma once

#include <atomic>
#include <cstdint>

namespace spillway::trace {

struct LivePage {
  static constexpr char kMagic[8] = {'s', 'p', 'i', 'l', 'l', 'i', 'v', 'e'};
  static constexpr uint32_t kVersion = 1;
  static constexpr uint32_t kMostFigures = 64;

  char magic[8];
  uint32_t version, figures;  // how many of the array are used
  uint64_t pid;
  char program[128], policy[32], rank[32];  // end with a zero
  uint64_t began;                           // ns of CLOCK_MONOTONIC
  std::atomic<uint64_t> sequence;
  std::atomic<uint64_t> updated;  // ns of CLOCK_MONOTONIC
  struct Figure {
    char name[32];
    std::atomic<uint64_t> value;
  } figure[kMostFigures];
};
static_assert(sizeof(LivePage) <= 4096);

inline constexpr char kLiveFolder[] = "/dev/shm";

}  // namespace spillway::trace
