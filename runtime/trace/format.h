// SPDX-License-Identifier: Apache-2.0
// The frame of a trace file; FORMAT.md has the grammar and the history.
#pragma once

#include <array>
#include <cstdint>

namespace spillway::trace {

inline constexpr uint32_t kVersion = 1;

struct FileHead {
  std::array<char, 8> magic{'S', 'P', 'W', 'T', 'R', 'A', 'C', 'E'};
  uint32_t version = kVersion;
  uint32_t head_bytes = 0;  // of JSON, which follows
};
static_assert(sizeof(FileHead) == 16);

struct BlockHead {
  std::array<char, 4> magic{'S', 'P', 'W', 'B'};
  uint32_t packed_bytes = 0;  // of a zstd frame with a checksum, which follows
  uint32_t raw_bytes = 0;     // of what is in it
};
static_assert(sizeof(BlockHead) == 12);

// What no writer exceeds, so that no reader believes more.
inline constexpr uint32_t kLargestHead = 1 << 20;
inline constexpr uint32_t kLargestBlock = 16 << 20;

}  // namespace spillway::trace
