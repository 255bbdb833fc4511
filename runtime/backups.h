// SPDX-License-Identifier: Apache-2.0
// Host memory for evicted pieces. Two modes: in place (HOST_NUMA or HOST handles, which the device
// can also use where they are) and copy-only (pinned memory). Pinning costs 0.2-1 s per GiB
// (published), so what was created is kept.
// Only the holder of the device's token (mover.h) may call anything here.
#pragma once

#include <atomic>
#include <map>
#include <vector>

#include "runtime/driver.h"
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
  uint64_t room() const;  // what take() can give at most

 private:
  bool create(uint64_t bytes, Backup* out) noexcept;
  bool reachable(const Backup& backup, CUdeviceptr scratch, CUstream stream) noexcept;
  bool create_pinned(uint64_t bytes, Backup* out) noexcept;
  bool create_mapped(uint64_t bytes, Backup* out) noexcept;
  void trim(uint64_t bytes) noexcept;
  void release(const Backup& backup) noexcept;

  const Driver& driver_;
  int device_;
  uint64_t largest_;
  uint64_t limit_;
  std::atomic<uint64_t>& held_;
  bool in_place_ = false;
  bool refused_ = false;  // said once
  CUmemAllocationProp properties_{};
  uint64_t idle_ = 0;
  std::map<uint64_t, std::vector<Backup>> idle_by_size_;
};

}  // namespace spillway
