// SPDX-License-Identifier: Apache-2.0
// Physical memory of the VMM calls: what cuMemCreate makes, and how it crosses processes.
#pragma once

#include <cuda.h>

#include <memory>

#include "tests/sim/driver/store.h"

namespace sim {

// Lives while a handle or a mapping refers to it.
struct Physical {
  CUmemAllocationProp properties{};
  Backing backing;
  bool foreign = false;  // made by another process: not charged here

  Physical() = default;
  Physical(const Physical&) = delete;
  Physical& operator=(const Physical&) = delete;
  ~Physical();
  bool on_host() const { return properties.location.type != CU_MEM_LOCATION_TYPE_DEVICE; }
};

// Null: out of memory.
std::shared_ptr<Physical> make_physical(size_t size, const CUmemAllocationProp& properties);
// A new file descriptor that names it; -1: the system has none left. Exportable memory only.
int export_physical(const Physical& physical);
// From such a descriptor, of this process or another one; null: it is none.
std::shared_ptr<Physical> import_physical(int file);

}  // namespace sim
