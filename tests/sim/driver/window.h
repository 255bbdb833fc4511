// SPDX-License-Identifier: Apache-2.0
// Addresses of the window, and making memory appear at them. What an address means is space.h.
#pragma once

#include <cuda.h>

#include <array>
#include <cstddef>
#include <cstdint>

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

enum class Access : uint8_t { None, Read, ReadWrite };

// What each device may do with some memory.
class Rights {
 public:
  static Rights everywhere() {
    Rights all;
    all.of_.fill(Access::ReadWrite);
    return all;
  }
  Access of(int device) const { return of_[static_cast<size_t>(device)]; }
  void set(int device, Access access) { of_[static_cast<size_t>(device)] = access; }

 private:
  std::array<Access, kMostDevices> of_{};
};

// Makes the first `bytes` of the backing accessible to this device at `address`, in one step (what
// was there before is replaced). False: the system has no mapping left.
bool show(int device, CUdeviceptr address, const Backing& backing, size_t bytes, Access access);
// To every device that has rights to it.
bool show(const Rights& rights, CUdeviceptr address, const Backing& backing, size_t bytes);
// The same for host threads, at the address itself.
bool show_to_host(CUdeviceptr address, const Backing& backing, size_t bytes, Access access);
// Whether the bytes of these whole granules of 2 MiB are in host memory: for the clock.
void set_on_host(CUdeviceptr address, size_t bytes, bool on_host);
// Nothing is at these addresses any more: for this device; for those with rights; for host threads.
void hide(int device, CUdeviceptr address, size_t bytes);
void hide(const Rights& rights, CUdeviceptr address, size_t bytes);
void hide_from_host(CUdeviceptr address, size_t bytes);

}  // namespace sim
