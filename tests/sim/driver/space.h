// SPDX-License-Identifier: Apache-2.0
// The simulated device address space: one reserved window in which every device address lies, and
// the memory behind it. Device memory is mapped (memfd) at address + delta, so a host thread that
// dereferences a device pointer faults exactly as on hardware, while kernels and copies reach it
// through Window::host.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>

#include "tests/sim/ptx/ptx.h"

namespace sim {

const ptx::Window& window();  // created at first use; leaked

// What lies at an address: an allocation of any kind, or a VMM mapping.
struct Extent {
  enum class Kind { Device, Pool, Vmm, Host, Registered, Managed, Variable } kind;
  CUdeviceptr base = 0;
  size_t size = 0;
  CUmemorytype type = CU_MEMORYTYPE_DEVICE;  // where the bytes are now: HOST for host-backed VMM
  int device = 0;
  uint64_t buffer_id = 0;
};

// Finds the extent that holds `address`. False: nothing there. Any thread.
bool find_extent(CUdeviceptr address, Extent* out);
// True when every byte of [address, address + bytes) is in live extents that the device may access
// (for reading, or for writing too); copies and sets check this before they are queued, and again
// when they run. Ordinary host memory that CUDA does not know is *not* in any extent.
bool accessible(CUdeviceptr address, size_t bytes, bool write);

// Device memory for the driver's own needs (module variables); charged to the device. 0: out of
// memory.
CUdeviceptr allocate_internal(int device, size_t bytes, size_t align);
void free_internal(CUdeviceptr address);

}  // namespace sim
