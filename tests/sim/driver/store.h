// SPDX-License-Identifier: Apache-2.0
// The memory behind addresses: one sparse memory file for each device and one for the host, so that
// the number of allocations is not bounded by file descriptors. Knows nothing of addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "tests/sim/driver/ranges.h"

namespace sim {

inline constexpr int kHost = -1;  // the host's store
inline constexpr size_t kPage = 4096;

// A run of bytes in a memory file, whole pages long.
struct Backing {
  int store = kHost;
  int file = -1;
  bool own_file = false;  // the file holds nothing else and is closed with it
  uint64_t offset = 0;
  uint64_t bytes = 0;    // mapped
  uint64_t charged = 0;  // counted against the capacity
};

class Store {
 public:
  // False: over capacity, or the machine has no memory file to give.
  bool allocate(uint64_t bytes, uint64_t charged, Backing* out);
  // The same in a file of its own, which another process can be given, with `extra` bytes behind
  // it.
  bool allocate_file(uint64_t bytes, uint64_t charged, uint64_t extra, Backing* out);
  void release(const Backing& backing);  // the bytes are gone
  // Bytes that count, but that nobody will look at.
  bool charge_only(uint64_t bytes);
  void release_charge(uint64_t bytes);

  struct Usage {
    uint64_t capacity, used, peak;
  };
  Usage usage() const;

 private:
  friend Store& store(int which);
  Store(int which, uint64_t capacity);
  bool charge(uint64_t bytes);
  void fill(const Backing& backing) const;

  mutable std::mutex mutex_;
  const int which_;
  const uint64_t capacity_;
  int file_ = -1;
  uint64_t used_ = 0;
  uint64_t peak_ = 0;
  uint64_t allocated_ = 0;  // how many so far: seeds the garbage
  FreeRanges free_;
};

Store& store(int which);  // a device, or kHost; leaked

// Overwrites memory with bytes that no program wrote: reproducible from SIMCUDA_SEED and `salt`,
// never zero.
void scribble(void* memory, size_t bytes, uint64_t salt);

}  // namespace sim
