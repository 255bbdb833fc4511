// SPDX-License-Identifier: Apache-2.0
#include "runtime/arena.h"

#include <sys/mman.h>

#include <iterator>

namespace spillway {

CUresult Arena::reserve(const Driver& driver, uint64_t bytes) noexcept {
  constexpr uint64_t kSmallest = uint64_t{1} << 30;
  CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
  const uint64_t wanted = round_up(bytes, kGranule);
  for (bytes = wanted;; bytes = round_up(bytes / 2, kGranule)) {
    result = driver.cuMemAddressReserve(&base_, bytes, kGranule, 0, 0);
    if (result == CUDA_SUCCESS || bytes <= kSmallest) break;
  }
  if (result == CUDA_SUCCESS && bytes < wanted && bytes > kSmallest) {
    // The driver has no more than that: half of it is for its own allocations, and the host's.
    driver.cuMemAddressFree(base_, bytes);
    bytes = round_up(bytes / 2, kGranule);
    result = driver.cuMemAddressReserve(&base_, bytes, kGranule, 0, 0);
  }
  if (result != CUDA_SUCCESS) return result;
  const size_t table = (bytes >> kGranuleShift) * sizeof(owners_[0]);
  void* memory = mmap(nullptr, table, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    driver.cuMemAddressFree(base_, bytes);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  owners_ = static_cast<std::atomic<Range*>*>(memory);
  size_ = bytes;
  free_[base_] = bytes;
  return CUDA_SUCCESS;
}

CUdeviceptr Arena::take(uint64_t extent) noexcept {
  for (auto hole = free_.begin(); hole != free_.end(); ++hole) {
    const auto [address, length] = *hole;
    if (length < extent) continue;
    free_.erase(hole);
    if (length > extent) free_[address + extent] = length - extent;
    return address;
  }
  return 0;
}

CUdeviceptr Arena::take_high(uint64_t extent) noexcept {
  for (auto hole = free_.rbegin(); hole != free_.rend(); ++hole) {
    if (hole->second < extent) continue;
    hole->second -= extent;
    const CUdeviceptr address = hole->first + hole->second;
    if (!hole->second) free_.erase(hole->first);
    return address;
  }
  return 0;
}

bool Arena::take_at(CUdeviceptr address, uint64_t extent) noexcept {
  auto hole = free_.upper_bound(address);
  if (hole == free_.begin()) return false;
  const auto [start, length] = *--hole;
  if (address + extent > start + length) return false;
  free_.erase(hole);
  if (start < address) free_[start] = address - start;
  if (address + extent < start + length)
    free_[address + extent] = start + length - address - extent;
  return true;
}

void Arena::give(CUdeviceptr address, uint64_t extent) noexcept {
  auto after = free_.lower_bound(address);
  if (after != free_.end() && address + extent == after->first) {
    extent += after->second;
    after = free_.erase(after);
  }
  if (after != free_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == address) {
      before->second += extent;
      return;
    }
  }
  free_[address] = extent;
}

void Arena::own(CUdeviceptr address, uint64_t extent, Range* range) noexcept {
  const uint64_t first = (address - base_) >> kGranuleShift;
  for (uint64_t i = 0; i < extent >> kGranuleShift; i++)
    owners_[first + i].store(range, std::memory_order_release);
}

}  // namespace spillway
