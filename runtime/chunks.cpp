// SPDX-License-Identifier: Apache-2.0
#include "runtime/chunks.h"

#include <algorithm>
#include <bit>

#include "runtime/errors.h"
#include "runtime/log.h"

namespace spillway {

namespace {

constexpr size_t kMorePartsAtMost = 2;

}  // namespace

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
            held() >> 20);
      said_full_ = true;
      full_at_ = held();
    } else {
      log(LogLevel::Warn, "cuMemCreate of {} MiB failed: {}", bytes >> 20,
          error_name(driver_, result));
    }
    return false;
  }
  held_ += bytes;
  creates_++;
  *out = {handle, bytes};
  return true;
}

void ChunkPool::release(Chunk chunk) noexcept {
  driver_.cuMemRelease(chunk.handle);
  held_ -= chunk.bytes;
  releases_++;
}

// Replaces an idle chunk by smaller ones, two of `size` among them: size, size, 2 size, 4 size, ...
// False: there is none that is larger.
bool ChunkPool::split(uint64_t size) noexcept {
  const auto whole = idle_.take_above(size);
  if (!whole) return false;
  release(*whole);
  std::vector<Chunk> parts;
  Chunk part;
  if (create(size, &part)) parts.push_back(part);
  for (uint64_t rest = size; rest < whole->bytes && create(rest, &part); rest *= 2)
    parts.push_back(part);
  const bool done = !parts.empty();
  give(parts);
  return done;
}

// How many chunks cover so much when any size can be had.
size_t ChunkPool::least_parts(uint64_t bytes) const {
  return bytes / largest_ + static_cast<size_t>(std::popcount(bytes % largest_ / kGranule));
}

// What was split again and again costs a call for each part at every move. Once, it costs the
// making of new ones.
void ChunkPool::merge(uint64_t bytes, std::vector<Chunk>* taken) noexcept {
  for (const Chunk& chunk : *taken) release(chunk);
  taken->clear();
  std::vector<Chunk> made;
  for (uint64_t missing = bytes; missing;) {
    uint64_t size = power_below(std::min(missing, largest_));
    Chunk chunk;
    while (!create(size, &chunk)) {
      // Others were quicker: whatever of it can still be had.
      if (size <= kGranule) return give(made);
      size /= 2;
    }
    made.push_back(chunk);
    missing -= size;
  }
  taken->swap(made);
}

bool ChunkPool::take(uint64_t bytes, uint64_t budget, std::vector<Chunk>* out) noexcept {
  if (room(budget) < bytes) return false;
  std::vector<Chunk> taken;
  uint64_t missing = bytes;
  while (missing) {
    if (const auto fitting = idle_.take_fitting(missing)) {
      taken.push_back(*fitting);
      missing -= fitting->bytes;
      continue;
    }
    const uint64_t size = power_below(std::min(missing, largest_));
    Chunk chunk;
    if (held() + size > std::min(budget, full_at_.load()) || !create(size, &chunk)) {
      if (split(size)) continue;
      give(taken);
      return false;
    }
    taken.push_back(chunk);
    missing -= size;
  }
  if (taken.size() > least_parts(bytes) + kMorePartsAtMost) merge(bytes, &taken);
  if (taken.empty()) return false;
  // Large chunks first: few, aligned handles at the front of the piece.
  std::sort(taken.begin(), taken.end(),
            [](const Chunk& a, const Chunk& b) { return a.bytes > b.bytes; });
  out->insert(out->end(), taken.begin(), taken.end());
  return true;
}

void ChunkPool::give(std::vector<Chunk>& chunks) noexcept {
  for (const Chunk& chunk : chunks) idle_.give(chunk);
  chunks.clear();
}

void ChunkPool::trim(uint64_t budget) noexcept {
  while (held() > budget) {
    const auto smallest = idle_.take_above(0);
    if (!smallest) return;
    release(*smallest);
  }
}

}  // namespace spillway
