// SPDX-License-Identifier: Apache-2.0
#include "runtime/backups.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "runtime/errors.h"
#include "runtime/log.h"

namespace spillway {

BackupPool::BackupPool(const Driver& driver, int device, uint64_t largest, uint64_t limit,
                       std::atomic<uint64_t>& held_everywhere)
    : driver_(driver), device_(device), largest_(largest), limit_(limit), held_(held_everywhere) {
  properties_.type = CU_MEM_ALLOCATION_TYPE_PINNED;
}

// Writes through a range's address and reads back through the alias: both mappings must work, and
// be the same memory.
bool BackupPool::reachable(const Backup& backup, CUdeviceptr scratch, CUstream stream) noexcept {
  const CUmemAccessDesc access{{CU_MEM_LOCATION_TYPE_DEVICE, device_},
                               CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
  const uint64_t sent = 0x5350494c4c574159;
  uint64_t back = 0;
  const auto host = [](const void* pointer) { return reinterpret_cast<CUdeviceptr>(pointer); };
  if (driver_.cuMemMap(scratch, kGranule, 0, backup.handle, 0) != CUDA_SUCCESS) return false;
  const bool same =
      driver_.cuMemSetAccess(scratch, kGranule, &access, 1) == CUDA_SUCCESS &&
      driver_.cuMemcpyAsync(scratch, host(&sent), sizeof(sent), stream) == CUDA_SUCCESS &&
      driver_.cuMemcpyAsync(host(&back), backup.address, sizeof(back), stream) == CUDA_SUCCESS &&
      driver_.cuStreamSynchronize(stream) == CUDA_SUCCESS && back == sent;
  driver_.cuMemUnmap(scratch, kGranule);
  return same;
}

void BackupPool::probe(CUdeviceptr scratch, CUstream stream) noexcept {
  // The attributes under-report and over-report (published), so the pool tries: the device's own
  // NUMA node first, then any host memory.
  int node = -1;
  driver_.cuDeviceGetAttribute(&node, CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID, device_);
  const CUmemLocation places[] = {{CU_MEM_LOCATION_TYPE_HOST_NUMA, std::max(node, 0)},
                                  {CU_MEM_LOCATION_TYPE_HOST, 0}};
  in_place_ = true;
  for (const CUmemLocation& place : places) {
    properties_.location = place;
    std::vector<Backup> first(1);
    if (!create(kGranule, &first[0])) continue;
    if (reachable(first[0], scratch, stream)) return give(first);
    release(first[0]);
  }
  in_place_ = false;
  refused_ = false;
}

bool BackupPool::create_mapped(uint64_t bytes, Backup* out) noexcept {
  CUmemGenericAllocationHandle handle = 0;
  CUdeviceptr address = 0;
  CUmemAccessDesc access{{CU_MEM_LOCATION_TYPE_DEVICE, device_},
                         CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
  if (driver_.cuMemCreate(&handle, bytes, &properties_, 0) != CUDA_SUCCESS) return false;
  if (driver_.cuMemAddressReserve(&address, bytes, kGranule, 0, 0) == CUDA_SUCCESS) {
    if (driver_.cuMemMap(address, bytes, 0, handle, 0) == CUDA_SUCCESS) {
      if (driver_.cuMemSetAccess(address, bytes, &access, 1) == CUDA_SUCCESS) {
        *out = {handle, address, bytes};
        return true;
      }
      driver_.cuMemUnmap(address, bytes);
    }
    driver_.cuMemAddressFree(address, bytes);
  }
  driver_.cuMemRelease(handle);
  return false;
}

// Ours, and registered: what cuMemHostAlloc gives dies with the context that was current, and bytes
// of other contexts may be in it. A registration that ends so leaves the memory, and slower copies.
bool BackupPool::create_pinned(uint64_t bytes, Backup* out) noexcept {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  if (driver_.cuMemHostRegister_v2(memory, bytes, CU_MEMHOSTREGISTER_PORTABLE) != CUDA_SUCCESS) {
    munmap(memory, bytes);
    return false;
  }
  *out = {0, reinterpret_cast<CUdeviceptr>(memory), bytes};
  return true;
}

bool BackupPool::create(uint64_t bytes, Backup* out) noexcept {
  uint64_t held = held_.load();
  do {
    if (held + bytes > limit_) return false;
  } while (!held_.compare_exchange_weak(held, held + bytes));
  bool done;
  if (in_place_) {
    done = create_mapped(bytes, out);
  } else {
    done = create_pinned(bytes, out);
  }
  if (!done) {
    held_ -= bytes;
    if (!refused_ && held_.load())
      log(LogLevel::Warn,
          "the host refuses more than {} MiB of pinned memory; look at ulimit -l, "
          "the cgroup limit and SPILLWAY_HOST_LIMIT",
          held_.load() >> 20);
    refused_ = true;
  }
  return done;
}

void BackupPool::release(const Backup& backup) noexcept {
  if (in_place_) {
    driver_.cuMemUnmap(backup.address, backup.bytes);
    driver_.cuMemAddressFree(backup.address, backup.bytes);
    driver_.cuMemRelease(backup.handle);
  } else {
    driver_.cuMemHostUnregister(reinterpret_cast<void*>(backup.address));
    munmap(reinterpret_cast<void*>(backup.address), backup.bytes);
  }
  held_ -= backup.bytes;
}

bool BackupPool::take(uint64_t bytes, std::vector<Backup>* out) noexcept {
  std::vector<Backup> taken;
  uint64_t missing = bytes;
  while (missing) {
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
    if (held_ + size > limit_) trim(size);
    Backup backup;
    if (!create(size, &backup)) {
      give(taken);
      return false;
    }
    taken.push_back(backup);
    missing -= size;
  }
  out->insert(out->end(), taken.begin(), taken.end());
  return true;
}

void BackupPool::give(std::vector<Backup>& backups) noexcept {
  for (const Backup& backup : backups) {
    idle_by_size_[backup.bytes].push_back(backup);
    idle_ += backup.bytes;
  }
  backups.clear();
}

void BackupPool::trim(uint64_t bytes) noexcept {
  while (held_ + bytes > limit_ && idle_) {
    auto smallest = idle_by_size_.begin();
    const Backup backup = smallest->second.back();
    smallest->second.pop_back();
    if (smallest->second.empty()) idle_by_size_.erase(smallest);
    idle_ -= backup.bytes;
    release(backup);
  }
}

uint64_t BackupPool::room() const {
  const uint64_t held = held_.load();
  return idle_ + (held < limit_ ? limit_ - held : 0);
}

}  // namespace spillway
