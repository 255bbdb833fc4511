// SPDX-License-Identifier: Apache-2.0
// Host memory that the device may use: pinned, registered, managed. One address for both sides, so
// it lies outside the window and kernels use it as it is.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/device.h"
#include "tests/sim/driver/extents.h"
#include "tests/sim/driver/pinned.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/report.h"
#include "tests/sim/driver/settings.h"
#include "tests/sim/driver/stream.h"

namespace sim {
namespace {

struct Pinned {
  std::mutex mutex;
  uint64_t bytes = 0, peak = 0;
  uint64_t all = 0;  // cuMemCreate's too
};

Pinned& pinned() {
  static auto* all = new Pinned;
  return *all;
}

// For the report: what the host calls have pinned.
void account(int64_t bytes) {
  std::lock_guard lock(pinned().mutex);
  pinned().bytes += static_cast<uint64_t>(bytes);
  pinned().peak = std::max(pinned().peak, pinned().bytes);
}

const ReportSection pinned_section("pinned", [] {
  std::lock_guard lock(pinned().mutex);
  return nlohmann::json{{"used", pinned().bytes}, {"peak", pinned().peak}};
});

CUresult allocate(void** out, size_t bytes, unsigned flags, Extent::Kind kind, Context* context) {
  if (const CUresult status = forbid_in_capture(); status != CUDA_SUCCESS) return status;
  if (bytes > window().size) return CUDA_ERROR_OUT_OF_MEMORY;
  const size_t mapped = round_up(bytes, kPage);
  if (kind == Extent::Kind::Host && !pin(mapped)) return CUDA_ERROR_OUT_OF_MEMORY;
  // One page more, never accessible: running over the end faults.
  void* memory =
      mmap(nullptr, mapped + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, mapped, PROT_READ | PROT_WRITE) != 0) {
    if (memory != MAP_FAILED) munmap(memory, mapped + kPage);
    if (kind == Extent::Kind::Host) unpin(mapped);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  constexpr double kMib = 1 << 20;
  host_cost_ns(profile().alloc_ns + profile().pinned_mib_ns * (static_cast<double>(mapped) / kMib));
  Allocation made;
  made.extent = {.kind = kind,
                 .base = reinterpret_cast<CUdeviceptr>(memory),
                 .size = bytes,
                 .type = kind == Extent::Kind::Managed ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST,
                 .device = context->device,
                 .buffer_id = next_buffer_id()};
  made.backing.bytes = mapped;
  made.context = context;
  made.flags = flags;
  enter(std::move(made));
  if (kind == Extent::Kind::Host) account(static_cast<int64_t>(mapped));
  *out = memory;
  return CUDA_SUCCESS;
}

}  // namespace

bool pin(uint64_t bytes) {
  std::lock_guard lock(pinned().mutex);
  const uint64_t limit = settings().pinned;
  if (limit != 0 && bytes > limit - std::min(limit, pinned().all)) return false;
  pinned().all += bytes;
  return true;
}

void unpin(uint64_t bytes) {
  std::lock_guard lock(pinned().mutex);
  pinned().all -= bytes;
}

void destroy_host(const Allocation& allocation) {
  const auto bytes = static_cast<int64_t>(allocation.backing.bytes);
  if (allocation.extent.kind != Extent::Kind::Managed) {
    account(-bytes);
    unpin(allocation.backing.bytes);
  }
  if (allocation.extent.kind == Extent::Kind::Registered) return;  // the application's own
  munmap(reinterpret_cast<void*>(allocation.extent.base), allocation.backing.bytes + kPage);
}

namespace {

std::optional<Allocation> find_host(const void* pointer) {
  auto found = find(reinterpret_cast<CUdeviceptr>(pointer));
  if (!found) return std::nullopt;
  const Extent::Kind kind = found->extent.kind;
  if (kind != Extent::Kind::Host && kind != Extent::Kind::Registered) return std::nullopt;
  return found;
}

// Every page of it exists.
bool present(uintptr_t begin, size_t bytes) {
  constexpr size_t kStep = 1 << 30;
  std::vector<unsigned char> pages(kStep / kPage);
  const uintptr_t first = begin / kPage * kPage;
  const uintptr_t end = round_up(begin + bytes, kPage);
  for (uintptr_t at = first; at < end; at += kStep) {
    if (mincore(reinterpret_cast<void*>(at), std::min<size_t>(kStep, end - at), pages.data()) !=
        0) {
      return false;
    }
  }
  return true;
}

CUresult register_memory(void* pointer, size_t bytes, unsigned flags, Context* context) {
  constexpr unsigned kKnown = CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP |
                              CU_MEMHOSTREGISTER_IOMEMORY | CU_MEMHOSTREGISTER_READ_ONLY;
  if (!pointer || bytes == 0 || (flags & ~kKnown) != 0) return CUDA_ERROR_INVALID_VALUE;
  // Neither attribute (IOMEMORY has none) says yes on the simulated parts.
  if (flags & (CU_MEMHOSTREGISTER_IOMEMORY | CU_MEMHOSTREGISTER_READ_ONLY)) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  const auto begin = reinterpret_cast<uintptr_t>(pointer);
  if (begin + bytes < begin || in_window(begin) || !present(begin, bytes)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (const CUresult status = forbid_in_capture(); status != CUDA_SUCCESS) return status;
  Allocation made;
  made.extent = {.kind = Extent::Kind::Registered,
                 .base = begin,
                 .size = bytes,
                 .type = CU_MEMORYTYPE_HOST,
                 .device = context->device,
                 .buffer_id = next_buffer_id()};
  made.backing.bytes = bytes;
  made.context = context;
  made.flags = flags;
  if (!pin(bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
  if (!enter(std::move(made))) {
    unpin(bytes);
    return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  }
  account(static_cast<int64_t>(bytes));
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace sim

SIM_API cuMemAllocHost_v2(void** out, size_t bytes) {
  SIM_ENTER_CONTEXT(cuMemAllocHost_v2, context);
  if (!out || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  return sim::allocate(out, bytes, 0, sim::Extent::Kind::Host, context);
}

SIM_API cuMemHostAlloc(void** out, size_t bytes, unsigned flags) {
  SIM_ENTER_CONTEXT(cuMemHostAlloc, context);
  constexpr unsigned kKnown =
      CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
  if (!out || bytes == 0 || (flags & ~kKnown) != 0) return CUDA_ERROR_INVALID_VALUE;
  return sim::allocate(out, bytes, flags, sim::Extent::Kind::Host, context);
}

// Waits for the device: a copy in flight may use it.
SIM_API cuMemFreeHost(void* pointer) {
  SIM_ENTER_CONTEXT(cuMemFreeHost, context);
  const auto base = reinterpret_cast<CUdeviceptr>(pointer);
  const auto found = sim::find(base);
  if (!found || found->extent.base != base || found->extent.kind != sim::Extent::Kind::Host) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (const CUresult status = sim::forbid_in_capture(); status != CUDA_SUCCESS) return status;
  if (const CUresult status = sim::synchronize_all(found->extent.device); status != CUDA_SUCCESS) {
    return status;
  }
  const auto removed = sim::remove(base, sim::Extent::Kind::Host);
  if (!removed) return CUDA_ERROR_INVALID_VALUE;
  sim::destroy_host(*removed);
  return CUDA_SUCCESS;
}

SIM_API cuMemHostGetDevicePointer_v2(CUdeviceptr* out, void* pointer, unsigned flags) {
  SIM_ENTER_CONTEXT(cuMemHostGetDevicePointer_v2, context);
  if (!out || flags != 0 || !sim::find_host(pointer)) return CUDA_ERROR_INVALID_VALUE;
  *out = reinterpret_cast<CUdeviceptr>(pointer);
  return CUDA_SUCCESS;
}

SIM_API cuMemHostGetFlags(unsigned* out, void* pointer) {
  SIM_ENTER_CONTEXT(cuMemHostGetFlags, context);
  const auto found = sim::find_host(pointer);
  if (!out || !found || found->extent.kind != sim::Extent::Kind::Host) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // With unified addressing all pinned memory is mapped, asked for or not.
  *out = found->flags | CU_MEMHOSTALLOC_DEVICEMAP;
  return CUDA_SUCCESS;
}

SIM_API cuMemHostRegister_v2(void* pointer, size_t bytes, unsigned flags) {
  SIM_ENTER_CONTEXT(cuMemHostRegister_v2, context);
  return sim::register_memory(pointer, bytes, flags, context);
}

SIM_API cuMemHostRegister(void* pointer, size_t bytes, unsigned flags) {
  SIM_ENTER_CONTEXT(cuMemHostRegister, context);
  return sim::register_memory(pointer, bytes, flags, context);
}

SIM_API cuMemHostUnregister(void* pointer) {
  SIM_ENTER_CONTEXT(cuMemHostUnregister, context);
  if (!pointer) return CUDA_ERROR_INVALID_VALUE;
  const auto base = reinterpret_cast<CUdeviceptr>(pointer);
  const auto found = sim::find(base);
  if (!found || found->extent.kind != sim::Extent::Kind::Registered || found->extent.base != base) {
    return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  }
  if (const CUresult status = sim::synchronize_all(found->extent.device); status != CUDA_SUCCESS) {
    return status;
  }
  const auto removed = sim::remove(base, sim::Extent::Kind::Registered);
  if (!removed) return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  sim::destroy_host(*removed);
  return CUDA_SUCCESS;
}

SIM_API cuMemAllocManaged(CUdeviceptr* out, size_t bytes, unsigned flags) {
  SIM_ENTER_CONTEXT(cuMemAllocManaged, context);
  if (!out || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST) return CUDA_ERROR_INVALID_VALUE;
  void* memory = nullptr;
  const CUresult status = sim::allocate(&memory, bytes, flags, sim::Extent::Kind::Managed, context);
  if (status == CUDA_SUCCESS) *out = reinterpret_cast<CUdeviceptr>(memory);
  return status;
}
