// SPDX-License-Identifier: Apache-2.0
// Host memory for evicted pieces, near the device. Two modes: in place (HOST_NUMA or HOST handles,
// which the device can also use where they are) and copy-only (pinned memory). Pinning costs 0.2-1
// s per GiB (published), so what was created is kept, and much of it is created in advance, by
// several threads at once.
// Any thread may call anything here, without a lock of ours and with a current context.
#pragma once

#include <atomic>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "runtime/driver.h"
#include "runtime/parts.h"
#include "runtime/range.h"

namespace spillway {

class BackupPool {
 public:
  // `limit` and `held_everywhere`: the process-wide bound on host memory, shared by all devices.
  BackupPool(const Driver& driver, int device, uint64_t largest, uint64_t limit,
             std::atomic<uint64_t>& held_everywhere);

  // Finds out by doing it whether the device can use host handles where they are: creates one, maps
  // it at `scratch` (a free granule of the arena), copies through it in `stream`. Needs a current
  // context. Without a call, or when it fails, the pool is copy-only.
  void probe(CUdeviceptr scratch, CUstream stream) noexcept;
  bool in_place() const { return in_place_; }

  // Covers exactly `bytes`. False, with nothing taken: the host limit is reached or the host
  // refused.
  bool take(uint64_t bytes, std::vector<Backup>* out) noexcept;
  void give(std::vector<Backup>& backups) noexcept;

  // Creates idle backups until this pool has made `bytes` in all (in use or idle), or no more can
  // be had. Waits for the end.
  void prepare(uint64_t bytes) noexcept;
  // The same, by threads of ours, which return to nothing when they are done. `context`: of the
  // device, for what needs one.
  void prepare_aside(uint64_t bytes, CUcontext context) noexcept;

  // Before a context ends, and with it what was registered in it: no copy may be under way. The
  // bytes stay, in memory that is registered again when it is next taken.
  void leave(CUcontext context) noexcept;

  uint64_t made() const { return made_.load(std::memory_order_relaxed); }

 private:
  bool create(uint64_t bytes, Backup* out) noexcept;
  bool reachable(const Backup& backup, CUdeviceptr scratch, CUstream stream) noexcept;
  bool create_pinned(uint64_t bytes, Backup* out) noexcept;
  bool pin(const Backup& backup) noexcept;
  bool create_mapped(uint64_t bytes, Backup* out) noexcept;
  void trim(uint64_t bytes) noexcept;
  void release(const Backup& backup) noexcept;
  void keep(const Backup& backup) noexcept;
  void fill(CUcontext context) noexcept;  // up to the target, or until that context ends

  const Driver& driver_;
  int device_;
  int node_ = -1;  // of the host memory nearest to the device; -1: not known
  uint64_t largest_;
  uint64_t limit_;
  std::atomic<uint64_t>& held_;    // by all pools
  std::atomic<uint64_t> made_{0};  // by this one
  std::atomic<uint64_t> target_{0};
  std::atomic<int> helpers_{0};
  std::atomic<CUcontext> leaving_{nullptr};
  bool in_place_ = false;
  std::atomic<bool> refused_{false};  // said once
  CUmemAllocationProp properties_{};
  std::mutex mutex_;  // a leaf; never held across a driver call
  IdleParts<Backup> idle_;
  std::unordered_map<CUdeviceptr, CUcontext> pinned_;  // copy-only: where each is registered
};

}  // namespace spillway
