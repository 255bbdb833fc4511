// SPDX-License-Identifier: Apache-2.0
// Addresses of the window, and making memory appear at them. What an address means is space.h.
#pragma once

#include <cuda.h>

#include <cstddef>

#include "tests/sim/driver/space.h"
#include "tests/sim/driver/store.h"

namespace sim {

// Left free after an allocation: a kernel that runs over the end faults.
inline constexpr size_t kGap = kPage;

// Addresses nobody uses: nothing is mapped there. Whole pages; align: a power of two. 0: none left.
CUdeviceptr take_addresses(size_t bytes, size_t align);
bool take_addresses_at(CUdeviceptr address, size_t bytes);
void give_addresses(CUdeviceptr address, size_t bytes);
inline bool in_window(CUdeviceptr address) {
  return address - window().base < window().size;
}

enum class Access { None, Read, ReadWrite };

// Makes the first `bytes` of the backing accessible to the device at `address`, in one step (what
// was there before is replaced). False: the system has no mapping left.
bool show(CUdeviceptr address, const Backing& backing, size_t bytes, Access access);
// The same for host threads, at the address itself.
bool show_to_host(CUdeviceptr address, const Backing& backing, size_t bytes, Access access);
// Nothing is at these addresses any more: for the device; for host threads.
void hide(CUdeviceptr address, size_t bytes);
void hide_from_host(CUdeviceptr address, size_t bytes);

}  // namespace sim
