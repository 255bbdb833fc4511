// SPDX-License-Identifier: Apache-2.0
// Ordinary device memory: cuMemAlloc and its kin, and what they may be asked.
#include <limits>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/contexts.h"
#include "tests/sim/driver/device.h"
#include "tests/sim/driver/extents.h"
#include "tests/sim/driver/graph_memory.h"
#include "tests/sim/driver/peer.h"
#include "tests/sim/driver/pool.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/schedule.h"
#include "tests/sim/driver/stream.h"

namespace sim {
namespace {

// What the driver rounds to when it charges; small allocations do share pages there, while here
// each has its own.
constexpr size_t kCharge = 512;
constexpr double kMib = 1 << 20;

// owner: the context whose peers see it.
bool allocate_device(const Context* owner, size_t bytes, size_t align, Extent::Kind kind,
                     Context* context, CUdeviceptr* out) {
  if (bytes > std::numeric_limits<size_t>::max() / 2) return false;
  const int device = owner->device;
  Allocation made;
  if (!store(device).allocate(bytes, round_up(bytes, kCharge), &made.backing)) return false;
  const CUdeviceptr address =
      take_addresses(made.backing.bytes + kGap, align > kPage ? align : kPage);
  const PeerLock peers;  // between showing it to today's peers and tomorrow's
  made.owner = owner;
  made.rights = peer_rights(*owner);
  if (address == 0 || !show(made.rights, address, made.backing, bytes)) {
    if (address != 0) give_addresses(address, made.backing.bytes + kGap);
    store(device).release(made.backing);
    return false;
  }
  made.extent = {.kind = kind,
                 .base = address,
                 .size = bytes,
                 .type = CU_MEMORYTYPE_DEVICE,
                 .device = device,
                 .buffer_id = next_buffer_id()};
  made.context = context;
  enter(std::move(made));
  *out = address;
  return true;
}

}  // namespace

void destroy(const Allocation& allocation) {
  hide(allocation.rights, allocation.extent.base, allocation.backing.bytes);
  give_addresses(allocation.extent.base, allocation.backing.bytes + kGap);
  store(allocation.backing.store).release(allocation.backing);
}

CUdeviceptr allocate_internal(const Context* context, size_t bytes, size_t align) {
  CUdeviceptr address = 0;
  const size_t least = bytes == 0 ? 1 : bytes;
  if (!allocate_device(context, least, align, Extent::Kind::Variable, nullptr, &address)) return 0;
  return address;
}

void free_internal(CUdeviceptr address) {
  if (const auto removed = remove(address, Extent::Kind::Variable)) destroy(*removed);
}

void context_memory_closing(Context* context) {
  for (const Allocation& gone :
       remove_if([context](const Allocation& one) { return one.context == context; })) {
    if (gone.extent.kind == Extent::Kind::Device) {
      destroy(gone);
    } else if (gone.extent.kind == Extent::Kind::Imported) {
      destroy_imported(gone);
    } else {
      destroy_host(gone);
    }
  }
}

namespace {

CUresult allocate(CUdeviceptr* out, size_t bytes, Context* context) {
  if (!out || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult status = forbid_in_capture(); status != CUDA_SUCCESS) return status;
  host_cost_ns(profile().alloc_ns + profile().alloc_mib_ns * (static_cast<double>(bytes) / kMib));
  const bool got = allocate_device(context, bytes, kPage, Extent::Kind::Device, context, out);
  return got ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

}  // namespace
}  // namespace sim

SIM_API cuMemAlloc_v2(CUdeviceptr* out, size_t bytes) {
  SIM_ENTER_CONTEXT(cuMemAlloc_v2, context);
  return sim::allocate(out, bytes, context);
}

SIM_API cuMemAllocPitch_v2(CUdeviceptr* out, size_t* pitch, size_t width, size_t height,
                           unsigned element) {
  SIM_ENTER_CONTEXT(cuMemAllocPitch_v2, context);
  if (!out || !pitch || width == 0 || height == 0) return CUDA_ERROR_INVALID_VALUE;
  if (element != 4 && element != 8 && element != 16) return CUDA_ERROR_INVALID_VALUE;
  constexpr size_t kPitch = 512;                             // rows coalesce; TEXTURE_ALIGNMENT
  constexpr size_t kMost = std::numeric_limits<int>::max();  // MAX_PITCH
  if (width > kMost) return CUDA_ERROR_INVALID_VALUE;
  const size_t row = sim::round_up(width, kPitch);
  if (height > std::numeric_limits<size_t>::max() / row) return CUDA_ERROR_OUT_OF_MEMORY;
  const CUresult status = sim::allocate(out, row * height, context);
  if (status == CUDA_SUCCESS) *pitch = row;
  return status;
}

// Waits for the device: work in flight may use the memory. Pool memory is not waited for.
SIM_API cuMemFree_v2(CUdeviceptr address) {
  SIM_ENTER_CONTEXT(cuMemFree_v2, context);
  if (const CUresult status = sim::forbid_in_capture(); status != CUDA_SUCCESS) return status;
  const auto found = sim::find(address);
  if (!found || found->extent.base != address) return CUDA_ERROR_INVALID_VALUE;
  switch (found->extent.kind) {
    case sim::Extent::Kind::Pool: {
      const auto pool = sim::pool_of(address);
      return pool ? pool->release(address, nullptr) : CUDA_ERROR_INVALID_VALUE;
    }
    case sim::Extent::Kind::Graph: {
      sim::Work work;
      {
        const auto lock = sim::Scheduler::get().lock();
        if (const CUresult status = sim::free_graph_memory(address, &work)) return status;
      }
      const CUresult status = sim::synchronize_all(found->extent.device);
      work.run();
      return status;
    }
    case sim::Extent::Kind::Device:
    case sim::Extent::Kind::Managed:
      break;
    case sim::Extent::Kind::Vmm:
    case sim::Extent::Kind::Host:
    case sim::Extent::Kind::Registered:
    case sim::Extent::Kind::Variable:
    case sim::Extent::Kind::Imported:
      return CUDA_ERROR_INVALID_VALUE;
  }
  if (const CUresult status = sim::synchronize_all(found->extent.device); status != CUDA_SUCCESS) {
    return status;
  }
  const auto& costs = sim::profile();
  sim::host_cost_ns(costs.free_ns +
                    costs.free_mib_ns * (static_cast<double>(found->extent.size) / sim::kMib));
  const auto removed = sim::remove(address, found->extent.kind);
  if (!removed) return CUDA_ERROR_INVALID_VALUE;  // another thread freed it meanwhile
  removed->extent.kind == sim::Extent::Kind::Device ? sim::destroy(*removed)
                                                    : sim::destroy_host(*removed);
  return CUDA_SUCCESS;
}

SIM_API cuMemGetInfo_v2(size_t* free, size_t* total) {
  SIM_ENTER_CONTEXT(cuMemGetInfo_v2, context);
  if (!free || !total) return CUDA_ERROR_INVALID_VALUE;
  const sim::Store::Usage usage = sim::store(context->device).usage();
  *free = usage.capacity - usage.used;
  *total = usage.capacity;
  return CUDA_SUCCESS;
}

SIM_API cuMemGetAddressRange_v2(CUdeviceptr* base, size_t* size, CUdeviceptr address) {
  SIM_ENTER_CONTEXT(cuMemGetAddressRange_v2, context);
  sim::Extent extent;
  if (!sim::find_extent(address, &extent)) return CUDA_ERROR_NOT_FOUND;
  if (base) *base = extent.base;
  if (size) *size = extent.size;
  return CUDA_SUCCESS;
}
