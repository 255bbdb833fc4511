// SPDX-License-Identifier: Apache-2.0
// The simulated device address space: one reserved window in which every device address lies, and
// the memory behind it. What device d may access is mapped (memfd) at address + delta(d), so a host
// thread that dereferences a device pointer faults exactly as on hardware, and so does a kernel on
// a device without access, while the others reach it through their Window::host.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>

#include "tests/sim/ptx/ptx.h"

namespace sim {

struct Context;  // context.h

inline constexpr int kMostDevices = 16;

// As this device sees it; base and size are every device's. Created at first use; leaked.
const ptx::Window& window(int device);
inline const ptx::Window& window() {
  return window(0);
}

// What lies at an address: an allocation of any kind, or a VMM mapping.
struct Extent {
  enum class Kind { Device, Pool, Vmm, Host, Registered, Managed, Variable, Imported, Graph } kind;
  CUdeviceptr base = 0;
  size_t size = 0;
  CUmemorytype type = CU_MEMORYTYPE_DEVICE;  // where the bytes are now: HOST for host-backed VMM
  int device = 0;
  uint64_t buffer_id = 0;
};

// Finds the extent that holds `address`. False: nothing there. Any thread.
bool find_extent(CUdeviceptr address, Extent* out);
// True when every byte of [address, address + bytes) is in live extents that this device may access
// (for reading, or for writing too); copies and sets check this before they are queued, and again
// when they run. Ordinary host memory that CUDA does not know is *not* in any extent.
bool accessible(int device, CUdeviceptr address, size_t bytes, bool write);

// Through whose page tables work of `device` that the driver carries out (copies, sets, memory
// operations) reaches these bytes: its own, or the owner's for memory of cuMemAlloc, which the
// driver copies between devices by itself. Mappings and pools need access. -1: it does not.
int reach(int device, CUdeviceptr address, size_t bytes, bool write);

// Device memory for the driver's own needs (module variables); charged to the context's device. 0:
// out of memory. The context only says which peers see it: the memory does not end with it.
CUdeviceptr allocate_internal(const Context* context, size_t bytes, size_t align);
void free_internal(CUdeviceptr address);

}  // namespace sim
