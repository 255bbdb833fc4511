// SPDX-License-Identifier: Apache-2.0
// A number that only grows, whoever writes it.
#pragma once

#include <atomic>
#include <cstdint>

namespace spillway {

inline void raise(std::atomic<uint64_t>& word, uint64_t value) noexcept {
  uint64_t seen = word.load(std::memory_order_relaxed);
  while (seen < value && !word.compare_exchange_weak(seen, value, std::memory_order_seq_cst)) {
  }
}

}  // namespace spillway
