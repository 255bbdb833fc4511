// SPDX-License-Identifier: Apache-2.0
// Bytes as short text that tells where they differ, and the bytes that host code writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

namespace random_program {

constexpr size_t kDigestBlock = 64 * 1024;  // bytes for each hash of a digest

// printf() into a string of at most 255 characters.
inline std::string text(const char* format, auto... values) {
  char line[256];
  std::snprintf(line, sizeof line, format, values...);
  return line;
}

// One 64-bit hash in hexadecimal for each block, separated by blanks.
std::string digest(const void* data, size_t bytes);

// A pattern without repetition, different for each seed.
void fill_pattern(void* data, size_t bytes, uint64_t seed);

}  // namespace random_program
