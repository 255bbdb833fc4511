// SPDX-License-Identifier: Apache-2.0
#include "runtime/backups.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "runtime/capture.h"
#include "runtime/context_scope.h"
#include "runtime/errors.h"
#include "runtime/log.h"
#include "runtime/nested.h"
#include "runtime/raise.h"
#include "runtime/summary.h"
#include "runtime/thread.h"

namespace spillway {

BackupPool::BackupPool(const Driver& driver, int device, uint64_t largest, uint64_t limit,
                       std::atomic<uint64_t>& held_everywhere)
    : driver_(driver), device_(device), largest_(largest), limit_(limit), held_(held_everywhere) {
  properties_.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  if (driver_.cuDeviceGetAttribute)
    driver_.cuDeviceGetAttribute(&node_, CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID, device_);
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
  const CUmemLocation places[] = {{CU_MEM_LOCATION_TYPE_HOST_NUMA, std::max(node_, 0)},
                                  {CU_MEM_LOCATION_TYPE_HOST, 0}};
  in_place_ = true;
  refused_ = true;  // what the probe does not get is no news
  for (const CUmemLocation& place : places) {
    properties_.location = place;
    std::vector<Backup> first(1);
    if (!create(kGranule, &first[0])) continue;
    if (reachable(first[0], scratch, stream)) {
      refused_ = false;
      return give(first);
    }
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
// of other contexts may be in it.
bool BackupPool::create_pinned(uint64_t bytes, Backup* out) noexcept {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  if (node_ >= 0 && node_ < 64) {
    // Preferred, not bound: a full node is no reason to fail. MPOL_PREFERRED is 1 (numaif.h).
    const unsigned long mask = 1ul << node_;
    syscall(SYS_mbind, memory, bytes, 1, &mask, sizeof(mask) * 8 + 1, 0u);
  }
  const Backup made{0, reinterpret_cast<CUdeviceptr>(memory), bytes};
  if (!pin(made)) {
    munmap(memory, bytes);
    return false;
  }
  *out = made;
  return true;
}

bool BackupPool::pin(const Backup& backup) noexcept {
  CUcontext context = nullptr;
  driver_.cuCtxGetCurrent(&context);
  if (driver_.cuMemHostRegister_v2(reinterpret_cast<void*>(backup.address), backup.bytes,
                                   CU_MEMHOSTREGISTER_PORTABLE) != CUDA_SUCCESS)
    return false;
  std::lock_guard held(mutex_);
  pinned_[backup.address] = context;
  return true;
}

void BackupPool::leave(CUcontext context) noexcept {
  leaving_ = context;
  for (int running; (running = helpers_.load()) > 0;) helpers_.wait(running);
  std::vector<CUdeviceptr> ending;
  {
    std::lock_guard held(mutex_);
    for (const auto& [address, where] : pinned_)
      if (where == context) ending.push_back(address);
    for (const CUdeviceptr address : ending) pinned_.erase(address);
  }
  ContextScope scope(driver_, context);
  for (const CUdeviceptr address : ending)
    driver_.cuMemHostUnregister(reinterpret_cast<void*>(address));
  leaving_ = nullptr;
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
    if (!refused_.exchange(true) && held_.load())
      log(LogLevel::Warn,
          "the host refuses more than {} MiB of pinned memory; look at ulimit -l, "
          "the cgroup limit and SPILLWAY_HOST_LIMIT",
          held_.load() >> 20);
    return false;
  }
  made_ += bytes;
  return true;
}

void BackupPool::release(const Backup& backup) noexcept {
  if (in_place_) {
    driver_.cuMemUnmap(backup.address, backup.bytes);
    driver_.cuMemAddressFree(backup.address, backup.bytes);
    driver_.cuMemRelease(backup.handle);
  } else {
    std::unique_lock held(mutex_);
    const bool pinned = pinned_.erase(backup.address);
    held.unlock();
    if (pinned) driver_.cuMemHostUnregister(reinterpret_cast<void*>(backup.address));
    munmap(reinterpret_cast<void*>(backup.address), backup.bytes);
  }
  held_ -= backup.bytes;
  made_ -= backup.bytes;
}

void BackupPool::keep(const Backup& backup) noexcept {
  std::lock_guard held(mutex_);
  idle_.give(backup);
}

bool BackupPool::take(uint64_t bytes, std::vector<Backup>* out) noexcept {
  std::vector<Backup> taken;
  uint64_t missing = bytes;
  while (missing) {
    std::unique_lock held(mutex_);
    const auto fitting = idle_.take_fitting(missing);
    const bool pinned = fitting && (in_place_ || pinned_.contains(fitting->address));
    held.unlock();
    if (fitting) {
      if (!pinned) pin(*fitting);  // or copies are slow
      taken.push_back(*fitting);
      missing -= fitting->bytes;
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
  for (const Backup& backup : backups) keep(backup);
  backups.clear();
}

void BackupPool::trim(uint64_t bytes) noexcept {
  while (held_ + bytes > limit_) {
    std::unique_lock held(mutex_);
    const auto smallest = idle_.take_above(0);
    held.unlock();
    if (!smallest) return;
    release(*smallest);
  }
}

void BackupPool::prepare(uint64_t bytes) noexcept {
  raise(target_, bytes);
  fill(nullptr);
}

void BackupPool::fill(CUcontext context) noexcept {
  Backup backup;
  while (!process_exiting() && !(context && context == leaving_) &&
         made_ + largest_ <= target_.load() && create(largest_, &backup))
    keep(backup);
}

void BackupPool::prepare_aside(uint64_t bytes, CUcontext context) noexcept {
  // The kernel's zeroing and pinning of pages scales with threads up to a few (published: 4 GB/s a
  // thread); more would take cores from the job.
  const int most = std::clamp(static_cast<int>(std::thread::hardware_concurrency()) / 4, 1, 4);
  raise(target_, bytes);
  while (made_ + largest_ <= target_.load()) {
    int running = helpers_.load();
    if (running >= most || !helpers_.compare_exchange_strong(running, running + 1)) return;
    const auto over = [this] {
      helpers_--;
      helpers_.notify_all();  // leave() may be waiting
    };
    if (!start_thread("spillway-pin", [this, context, over] {
          const Call call;
          RelaxedCapture relaxed(driver_);
          ContextScope scope(driver_, context);
          CUcontext current = nullptr;  // it may be gone by now
          if (driver_.cuCtxGetCurrent(&current) == CUDA_SUCCESS && current == context)
            fill(context);
          over();
        })) {
      over();
      return;
    }
  }
}

}  // namespace spillway
