// SPDX-License-Identifier: Apache-2.0
// The registry of everything that has an address: what space.h answers from. The memory calls enter
// and remove; each kind of memory owns the rest of its life.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "tests/sim/driver/context.h"
#include "tests/sim/driver/window.h"

namespace sim {

struct Allocation {
  Extent extent;
  Rights rights = Rights::everywhere();
  Backing backing;                 // what is freed with it: not for Pool, Vmm, Registered
  Context* context = nullptr;      // that it dies with; null: none
  const Context* owner = nullptr;  // whose peers have rights to it; null: rights are set by call
  unsigned flags = 0;              // as the application gave them (host, managed memory)
  unsigned handle_types = 0;       // CUmemAllocationHandleType bits it may be exported as
  bool sync_memops = false;
  CUmemoryPool pool = nullptr;
};

uint64_t next_buffer_id();

// False: part of it is taken already.
bool enter(Allocation allocation);
std::optional<Allocation> find(CUdeviceptr address);  // any address inside
// The allocation that begins exactly here and is of this kind, removed; nothing: there is none.
std::optional<Allocation> remove(CUdeviceptr base, Extent::Kind kind);
// All of them.
std::vector<Allocation> remove_if(const std::function<bool(const Allocation&)>& predicate);
// Changes every one, with the registry locked.
void change_all(const std::function<void(Allocation&)>& edit);
// Changes the one that holds the address. False: there is none.
bool change(CUdeviceptr address, const std::function<void(Allocation&)>& edit);

// Gives back what a removed allocation stood on: of kind Device or Variable; of kind Host,
// Registered or Managed; of kind Imported.
void destroy(const Allocation& allocation);
void destroy_host(const Allocation& allocation);
void destroy_imported(const Allocation& allocation);  // ipc.cpp

}  // namespace sim
