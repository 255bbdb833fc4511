// SPDX-License-Identifier: Apache-2.0
// Device memory of one device: chunks that back pieces, and idle ones waiting. Idle chunks are
// kept, because creating one is the dearest VMM call (193 us for 2 MiB on an A100, published).
//
// A piece is covered greedily by the largest idle chunks that fit, then by new ones of power-of-two
// size; where the budget allows none, the smallest idle chunk that is too large is replaced by
// smaller ones. So any idle chunk serves any piece and nothing is lost to rounding.
// Only the holder of the device's token (mover.h) may call anything here.
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "runtime/driver.h"
#include "runtime/parts.h"
#include "runtime/range.h"

namespace spillway {

class ChunkPool {
 public:
  ChunkPool(const Driver& driver, int device, uint64_t largest);

  // Covers exactly `bytes`. `budget` bounds what all chunks of this pool may come to. False, with
  // nothing taken: not without freeing something first.
  bool take(uint64_t bytes, uint64_t budget, std::vector<Chunk>* out) noexcept;
  void give(std::vector<Chunk>& chunks) noexcept;
  // Gives idle chunks back to the driver until no more than `budget` is held, or none is idle.
  void trim(uint64_t budget) noexcept;

  // What take() can give: idle chunks, and new ones within the budget, unless the device itself was
  // full at what is held now.
  uint64_t room(uint64_t budget) const {
    const uint64_t most = std::min(budget, full_at_.load());
    return idle() + (most > held() ? most - held() : 0);
  }
  // What was trimmed is for others: no new chunks until ask_again().
  void make_do() { full_at_ = held(); }
  // The device may have memory again: others may have given some back. Any thread.
  void ask_again() { full_at_ = ~uint64_t{0}; }

  uint64_t creates() const { return creates_; }
  uint64_t releases() const { return releases_; }
  uint64_t held() const {
    return held_.load(std::memory_order_relaxed);
  }  // bytes of all chunks, idle or not
  uint64_t idle() const { return idle_.bytes(); }

 private:
  bool create(uint64_t bytes, Chunk* out) noexcept;
  void release(Chunk chunk) noexcept;
  bool split(uint64_t size) noexcept;
  size_t least_parts(uint64_t bytes) const;
  void merge(uint64_t bytes, std::vector<Chunk>* taken) noexcept;

  const Driver& driver_;
  CUmemAllocationProp properties_{};
  uint64_t largest_;
  std::atomic<uint64_t> held_{0};                // written by the token's holder, read by anybody
  std::atomic<uint64_t> full_at_{~uint64_t{0}};  // the device had no more when this much was held
  bool said_full_ = false;
  std::atomic<uint64_t> creates_{0}, releases_{0};
  IdleParts<Chunk> idle_;
};

}  // namespace spillway
