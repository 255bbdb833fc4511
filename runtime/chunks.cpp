// SPDX-License-Identifier: Apache-2.0
#include "runtime/chunks.h"

#include <algorithm>

#include "runtime/errors.h"
#include "runtime/log.h"

namespace spillway {

ChunkPool::ChunkPool(const Driver& driver, int device, uint64_t largest)
    : driver_(driver), largest_(largest) {
  properties_.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties_.location = {CU_MEM_LOCATION_TYPE_DEVICE, device};
  properties_.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
}

bool ChunkPool::create(uint64_t bytes, Chunk* out) noexcept {
  CUmemGenericAllocationHandle handle = 0;
  CUresult result = driver_.cuMemCreate(&handle, bytes, &properties_, 0);
  if (result == CUDA_ERROR_NOT_SUPPORTED || result == CUDA_ERROR_INVALID_VALUE) {
    // Containers and old kernels refuse exportable handles; plain ones do for everything but IPC.
    properties_.requestedHandleTypes = CU_MEM_HANDLE_TYPE_NONE;
    result = driver_.cuMemCreate(&handle, bytes, &properties_, 0);
  }
  if (result != CUDA_SUCCESS) {
    if (result == CUDA_ERROR_OUT_OF_MEMORY) {
      if (!said_full_)
        log(LogLevel::Info, "the device has no more memory at {} MiB of ours; others use the rest",
            held_ >> 20);
      said_full_ = true;
    } else {
      log(LogLevel::Warn, "cuMemCreate of {} MiB failed: {}", bytes >> 20,
          error_name(driver_, result));
    }
    return false;
  }
  held_ += bytes;
  *out = {handle, bytes};
  return true;
}

void ChunkPool::release(Chunk chunk) noexcept {
  driver_.cuMemRelease(chunk.handle);
  held_ -= chunk.bytes;
}

bool ChunkPool::take(uint64_t bytes, uint64_t budget, std::vector<Chunk>* out) noexcept {
  std::vector<Chunk> taken;
  uint64_t missing = bytes;
  while (missing) {
    // The largest idle chunk that fits; std::map is ordered by size.
    auto fitting = idle_by_size_.upper_bound(missing);
    if (fitting != idle_by_size_.begin()) {
      --fitting;
      taken.push_back(fitting->second.back());
      fitting->second.pop_back();
      if (fitting->second.empty()) idle_by_size_.erase(fitting);
      idle_ -= taken.back().bytes;
      missing -= taken.back().bytes;
      continue;
    }
    const uint64_t size = power_below(std::min(missing, largest_));
    // What is idle now is larger than what is missing: it makes room for what fits.
    if (held_ + size > budget) trim(budget - std::min(budget, size));
    Chunk chunk;
    if (held_ + size > budget || !create(size, &chunk)) {
      // The device itself is full: an idle chunk that is too large can still make room.
      if (held_ + size <= budget && idle_) {
        trim(held_ - 1);
        continue;
      }
      give(taken);
      return false;
    }
    taken.push_back(chunk);
    missing -= size;
  }
  // Large chunks first: few, aligned handles at the front of the piece.
  std::sort(taken.begin(), taken.end(),
            [](const Chunk& a, const Chunk& b) { return a.bytes > b.bytes; });
  out->insert(out->end(), taken.begin(), taken.end());
  return true;
}

void ChunkPool::give(std::vector<Chunk>& chunks) noexcept {
  for (const Chunk& chunk : chunks) {
    idle_by_size_[chunk.bytes].push_back(chunk);
    idle_ += chunk.bytes;
  }
  chunks.clear();
}

void ChunkPool::trim(uint64_t budget) noexcept {
  while (held_ > budget && idle_) {
    auto smallest = idle_by_size_.begin();
    const Chunk chunk = smallest->second.back();
    smallest->second.pop_back();
    if (smallest->second.empty()) idle_by_size_.erase(smallest);
    idle_ -= chunk.bytes;
    release(chunk);
  }
}

}  // namespace spillway
