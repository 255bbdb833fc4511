// SPDX-License-Identifier: Apache-2.0
// The life of the Manager in this process: made at the first allocation, never before; never again
// when that failed; anew in a forked child that makes CUDA calls of its own.
#pragma once

#include <atomic>

namespace spillway {

class Manager;

inline constinit std::atomic<Manager*> g_manager{nullptr};

// Null: nothing is served (yet, or ever), so every call passes through.
inline Manager* running_manager() noexcept {
  return g_manager.load(std::memory_order_acquire);
}

Manager* start_manager() noexcept;

// For calls that allocate or ask how much memory there is: starts it when a context is current.
inline Manager* manager_or_start() noexcept {
  Manager* manager = running_manager();
  return manager != nullptr ? manager : start_manager();
}

}  // namespace spillway
