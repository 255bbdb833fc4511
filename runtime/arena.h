// SPDX-License-Identifier: Apache-2.0
// The one reservation in which every range lies. Hands out granules, first fit from either end,
// and answers "whose is this address?" with a subtraction and one load, without a lock.
#pragma once

#include <cuda.h>

#include <atomic>
#include <cstdint>
#include <map>

#include "runtime/driver.h"
#include "runtime/words.h"

namespace spillway {

struct Range;

class Arena {
 public:
  // Reserves `bytes` of address space, or the largest half, quarter, ... that the driver grants
  // down to 1 GiB. CUDA_SUCCESS, or the driver's last answer.
  CUresult reserve(const Driver& driver, uint64_t bytes) noexcept;

  CUdeviceptr base() const { return base_; }
  uint64_t size() const { return size_; }
  bool contains(CUdeviceptr address) const { return address - base_ < size_; }
  // Null: nobody's. Any thread; the answer may be a range that died in the meantime.
  Range* at(CUdeviceptr address) const {
    const uint64_t offset = address - base_;
    return offset < size_ ? owners_[offset >> kGranuleShift].load(std::memory_order_acquire)
                          : nullptr;
  }

  // With the ledger held. 0 when the address space is used up.
  CUdeviceptr take(uint64_t extent) noexcept;
  CUdeviceptr take_high(uint64_t extent) noexcept;              // the same from the other end
  bool take_at(CUdeviceptr address, uint64_t extent) noexcept;  // false: not all of it is free
  void give(CUdeviceptr address, uint64_t extent) noexcept;
  void own(CUdeviceptr address, uint64_t extent, Range* range) noexcept;

 private:
  CUdeviceptr base_ = 0;
  uint64_t size_ = 0;
  std::atomic<Range*>* owners_ = nullptr;  // by granule; zero pages until touched
  std::map<CUdeviceptr, uint64_t> free_;   // address -> length, neighbours merged
};

}  // namespace spillway
