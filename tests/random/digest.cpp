// SPDX-License-Identifier: Apache-2.0
#include "tests/random/digest.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

namespace random_program {
namespace {

uint64_t mixed(uint64_t value) {
  value = (value ^ (value >> 32)) * 0xD6E8FEB86659FD93u;
  return value ^ (value >> 29);
}

// Lanes, so that the multiplications overlap; each word is bound to its place by its lane and by
// the order in it. Every step is one to one in the word and in the lane, so that no single
// difference can be lost.
uint64_t hash_block(const unsigned char* data, size_t bytes) {
  constexpr size_t kLanes = 8;
  uint64_t lanes[kLanes] = {1, 2, 3, 4, 5, 6, 7, 8};
  size_t at = 0;
  for (; at + kLanes * 8 <= bytes; at += kLanes * 8) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      uint64_t word;
      std::memcpy(&word, data + at + lane * 8, 8);
      lanes[lane] = std::rotl(lanes[lane] ^ word, 29) * 0x9E3779B97F4A7C15u;
    }
  }
  uint64_t hash = bytes;
  for (uint64_t lane : lanes) hash = mixed(hash ^ lane) + lane;
  for (; at < bytes; ++at) hash = mixed(hash + data[at] + 1);
  return mixed(hash);
}

}  // namespace

std::string digest(const void* data, size_t bytes) {
  const auto* first = static_cast<const unsigned char*>(data);
  std::string text;
  for (size_t at = 0; at < bytes; at += kDigestBlock) {
    char hash[20];
    std::snprintf(hash, sizeof hash, " %016llx",
                  static_cast<unsigned long long>(
                      hash_block(first + at, std::min(kDigestBlock, bytes - at))));
    text += hash;
  }
  return text;
}

void fill_pattern(void* data, size_t bytes, uint64_t seed) {
  auto* first = static_cast<unsigned char*>(data);
  uint64_t state = mixed(seed + 1);
  for (size_t at = 0; at < bytes; at += 8) {
    state += 0x9E3779B97F4A7C15u;
    const uint64_t word = mixed(state);
    std::memcpy(first + at, &word, std::min<size_t>(8, bytes - at));
  }
}

}  // namespace random_program
