// SPDX-License-Identifier: Apache-2.0
// Reservations, handles and mappings. Mapping calls act at once: they are ordered by no stream and
// wait for no work, so work in flight that touches an unmapped address faults.
#include "tests/sim/driver/vmm.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "tests/sim/driver/device.h"
#include "tests/sim/driver/extents.h"
#include "tests/sim/driver/peer.h"
#include "tests/sim/driver/physical.h"
#include "tests/sim/driver/settings.h"

namespace sim {
namespace {

struct Handle {
  CUmemGenericAllocationHandle id = 0;
  unsigned references = 0;  // create, import, retain
  unsigned mappings = 0;
  std::shared_ptr<Physical> physical;
};

struct Mapping {
  size_t size = 0;
  std::shared_ptr<Handle> handle;
  std::map<int, CUmemAccess_flags> devices;  // absent: none
  CUmemAccess_flags host = CU_MEM_ACCESS_FLAGS_PROT_NONE;
};

struct State {
  std::mutex mutex;
  std::map<CUdeviceptr, size_t> reservations;
  std::map<CUdeviceptr, Mapping> mappings;
  std::map<CUmemGenericAllocationHandle, std::shared_ptr<Handle>> handles;
  CUmemGenericAllocationHandle last_id = 0x1000;  // ids are never reused: a stale one is refused

  using Reservation = std::map<CUdeviceptr, size_t>::iterator;
  Reservation reservation(CUdeviceptr address) {
    auto it = reservations.upper_bound(address);
    if (it == reservations.begin()) return reservations.end();
    --it;
    return address - it->first < it->second ? it : reservations.end();
  }
  std::map<CUdeviceptr, Mapping>::iterator mapping(CUdeviceptr address) {
    auto it = mappings.upper_bound(address);
    if (it == mappings.begin()) return mappings.end();
    --it;
    return address - it->first < it->second.size ? it : mappings.end();
  }
  std::shared_ptr<Handle> handle(CUmemGenericAllocationHandle id) {
    const auto it = handles.find(id);
    return it == handles.end() || it->second->references == 0 ? nullptr : it->second;
  }
  void drop_unused(const std::shared_ptr<Handle>& handle) {
    if (handle->references == 0 && handle->mappings == 0) handles.erase(handle->id);
  }
  CUmemGenericAllocationHandle add(std::shared_ptr<Physical> physical) {
    auto made = std::make_shared<Handle>();
    made->id = ++last_id;
    made->references = 1;
    made->physical = std::move(physical);
    handles.emplace(made->id, made);
    return made->id;
  }
  // Whole mappings that cover the range without a hole; empty: they do not.
  std::vector<std::map<CUdeviceptr, Mapping>::iterator> cover(CUdeviceptr address, size_t size) {
    std::vector<std::map<CUdeviceptr, Mapping>::iterator> found;
    const CUdeviceptr end = address + size;
    if (end < address) return {};
    while (address < end) {
      const auto it = mappings.find(address);
      if (it == mappings.end() || it->second.size > end - address) return {};
      address += it->second.size;
      found.push_back(it);
    }
    return found;
  }
};

State& state() {
  static auto* all = new State;
  return *all;
}

bool aligned(uint64_t value) {
  return value % kGranularity == 0;
}

Access as_access(CUmemAccess_flags flags) {
  switch (flags) {
    case CU_MEM_ACCESS_FLAGS_PROT_NONE:
    case CU_MEM_ACCESS_FLAGS_PROT_MAX:
      return Access::None;
    case CU_MEM_ACCESS_FLAGS_PROT_READ:
      return Access::Read;
    case CU_MEM_ACCESS_FLAGS_PROT_READWRITE:
      return Access::ReadWrite;
  }
  return Access::None;
}

Rights device_rights(const Mapping& mapping) {
  Rights rights;
  for (const auto& [device, flags] : mapping.devices) rights.set(device, as_access(flags));
  return rights;
}

}  // namespace

CUresult vmm_reserve(CUdeviceptr* out, size_t size, size_t align, CUdeviceptr hint) {
  if (!out || size == 0 || size % kPage != 0 || hint % kPage != 0) return CUDA_ERROR_INVALID_VALUE;
  if (align != 0 && !std::has_single_bit(align)) return CUDA_ERROR_INVALID_VALUE;
  const size_t step = std::max(align, kGranularity);
  CUdeviceptr address = 0;
  if (hint != 0 && hint % step == 0 && take_addresses_at(hint, size)) {
    address = hint;
  } else {
    address = take_addresses(size, step);
  }
  if (address == 0) return CUDA_ERROR_OUT_OF_MEMORY;
  std::lock_guard lock(state().mutex);
  state().reservations.emplace(address, size);
  *out = address;
  return CUDA_SUCCESS;
}

CUresult vmm_free(CUdeviceptr address, size_t size) {
  {
    std::lock_guard lock(state().mutex);
    const auto it = state().reservations.find(address);
    if (it == state().reservations.end() || it->second != size) return CUDA_ERROR_INVALID_VALUE;
    const auto mapped = state().mappings.lower_bound(address);
    if (mapped != state().mappings.end() && mapped->first - address < size) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    state().reservations.erase(it);
  }
  give_addresses(address, size);
  return CUDA_SUCCESS;
}

bool find_reservation(CUdeviceptr address, CUdeviceptr* base, size_t* size) {
  std::lock_guard lock(state().mutex);
  const auto it = state().reservation(address);
  if (it == state().reservations.end()) return false;
  *base = it->first;
  *size = it->second;
  return true;
}

bool vmm_backing(CUdeviceptr address, Backing* out) {
  std::lock_guard lock(state().mutex);
  const auto it = state().mapping(address);
  if (it == state().mappings.end()) return false;
  *out = it->second.handle->physical->backing;
  return true;
}

CUresult check_properties(const CUmemAllocationProp& prop) {
  if (prop.type == CU_MEM_ALLOCATION_TYPE_MANAGED) return CUDA_ERROR_NOT_SUPPORTED;
  if (prop.type != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_INVALID_VALUE;
  if (prop.win32HandleMetaData) return CUDA_ERROR_INVALID_VALUE;
  constexpr unsigned kKnownTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR |
                                   CU_MEM_HANDLE_TYPE_WIN32 | CU_MEM_HANDLE_TYPE_WIN32_KMT |
                                   CU_MEM_HANDLE_TYPE_FABRIC;
  const unsigned types = prop.requestedHandleTypes;
  if ((types & ~kKnownTypes) != 0) return CUDA_ERROR_INVALID_VALUE;
  if (prop.location.type == CU_MEM_LOCATION_TYPE_HOST && types != CU_MEM_HANDLE_TYPE_NONE) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if ((types & ~CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) != 0) return CUDA_ERROR_NOT_SUPPORTED;
  // Attributes GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED and SPARSE_CUDA_ARRAY_SUPPORTED are 0.
  if (prop.allocFlags.gpuDirectRDMACapable || prop.allocFlags.usage != 0) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  switch (prop.location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE:
      return valid_device(prop.location.id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
    case CU_MEM_LOCATION_TYPE_HOST:
      return settings().host_vmm ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:  // one node, number 0
      if (prop.location.id != 0) return CUDA_ERROR_INVALID_VALUE;
      return settings().host_vmm ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
    case CU_MEM_LOCATION_TYPE_INVALID:
    case CU_MEM_LOCATION_TYPE_MAX:
      break;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult vmm_create(CUmemGenericAllocationHandle* out, size_t size,
                    const CUmemAllocationProp& prop) {
  if (!out || size == 0 || !aligned(size)) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult status = check_properties(prop); status != CUDA_SUCCESS) return status;
  if (size > std::numeric_limits<size_t>::max() / 2) return CUDA_ERROR_OUT_OF_MEMORY;
  CUmemAllocationProp kept = prop;
  kept.allocFlags.compressionType = CU_MEM_ALLOCATION_COMP_NONE;  // a hint, not followed
  auto physical = make_physical(size, kept);
  if (!physical) return CUDA_ERROR_OUT_OF_MEMORY;
  std::lock_guard lock(state().mutex);
  *out = state().add(std::move(physical));
  return CUDA_SUCCESS;
}

CUresult vmm_release(CUmemGenericAllocationHandle id) {
  std::shared_ptr<Handle> handle;  // outlives the lock: freeing memory takes long
  std::lock_guard lock(state().mutex);
  handle = state().handle(id);
  if (!handle) return CUDA_ERROR_INVALID_VALUE;
  --handle->references;
  state().drop_unused(handle);
  return CUDA_SUCCESS;
}

CUresult vmm_retain(CUmemGenericAllocationHandle* out, CUdeviceptr address) {
  std::lock_guard lock(state().mutex);
  const auto it = state().mapping(address);
  if (!out || it == state().mappings.end()) return CUDA_ERROR_INVALID_VALUE;
  ++it->second.handle->references;
  *out = it->second.handle->id;
  return CUDA_SUCCESS;
}

CUresult vmm_properties(CUmemAllocationProp* out, CUmemGenericAllocationHandle id) {
  std::lock_guard lock(state().mutex);
  const auto handle = state().handle(id);
  if (!out || !handle) return CUDA_ERROR_INVALID_VALUE;
  *out = handle->physical->properties;
  return CUDA_SUCCESS;
}

size_t vmm_size(CUmemGenericAllocationHandle id) {
  std::lock_guard lock(state().mutex);
  const auto handle = state().handle(id);
  return handle ? handle->physical->backing.bytes : 0;
}

CUresult vmm_export(int* out, CUmemGenericAllocationHandle id) {
  std::lock_guard lock(state().mutex);
  const auto handle = state().handle(id);
  if (!out || !handle || !handle->physical->backing.own_file) return CUDA_ERROR_INVALID_VALUE;
  *out = export_physical(*handle->physical);
  return *out >= 0 ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
}

CUresult vmm_import(CUmemGenericAllocationHandle* out, int file) {
  auto physical = import_physical(file);
  if (!out || !physical) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(state().mutex);
  *out = state().add(std::move(physical));
  return CUDA_SUCCESS;
}

CUresult vmm_map(CUdeviceptr address, size_t size, CUmemGenericAllocationHandle id) {
  if (size == 0 || !aligned(address) || !aligned(size)) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(state().mutex);
  const auto handle = state().handle(id);
  if (!handle || size != handle->physical->backing.bytes) return CUDA_ERROR_INVALID_VALUE;
  const auto reserved = state().reservation(address);
  if (reserved == state().reservations.end() ||
      size > reserved->second - (address - reserved->first)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Physical& physical = *handle->physical;
  Allocation made;
  made.extent = {.kind = Extent::Kind::Vmm,
                 .base = address,
                 .size = size,
                 .type = physical.on_host() ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE,
                 .device = physical.on_host() ? 0 : physical.properties.location.id,
                 .buffer_id = next_buffer_id()};
  made.rights = Rights();
  made.handle_types = physical.properties.requestedHandleTypes;
  if (!enter(std::move(made))) return CUDA_ERROR_INVALID_VALUE;  // mapped already
  ++handle->mappings;
  set_on_host(address, size, physical.on_host());
  state().mappings.emplace(address, Mapping{.size = size, .handle = handle, .devices = {}});
  return CUDA_SUCCESS;
}

CUresult vmm_unmap(CUdeviceptr address, size_t size) {
  std::vector<std::shared_ptr<Handle>> handles;  // outlive the lock, as in vmm_release
  std::lock_guard lock(state().mutex);
  const auto found = state().cover(address, size);
  if (found.empty()) return CUDA_ERROR_INVALID_VALUE;
  for (const auto& it : found) {
    const Mapping& mapping = it->second;
    hide(device_rights(mapping), it->first, mapping.size);
    if (mapping.host != CU_MEM_ACCESS_FLAGS_PROT_NONE) hide_from_host(it->first, mapping.size);
    remove(it->first, Extent::Kind::Vmm);
    handles.push_back(mapping.handle);
    --mapping.handle->mappings;
    state().drop_unused(mapping.handle);
    state().mappings.erase(it);
  }
  return CUDA_SUCCESS;
}

namespace {

CUresult check_access(const CUmemAccessDesc& wanted, const Physical& physical) {
  if (wanted.flags != CU_MEM_ACCESS_FLAGS_PROT_NONE &&
      wanted.flags != CU_MEM_ACCESS_FLAGS_PROT_READ &&
      wanted.flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  switch (wanted.location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE:
      if (!valid_device(wanted.location.id)) return CUDA_ERROR_INVALID_DEVICE;
      return physical.on_host() ||
                     peers_possible(wanted.location.id, physical.properties.location.id)
                 ? CUDA_SUCCESS
                 : CUDA_ERROR_INVALID_DEVICE;
    case CU_MEM_LOCATION_TYPE_HOST:
      return physical.on_host() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
      return physical.properties.location.type == CU_MEM_LOCATION_TYPE_HOST_NUMA
                 ? CUDA_SUCCESS
                 : CUDA_ERROR_INVALID_VALUE;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
    case CU_MEM_LOCATION_TYPE_INVALID:
    case CU_MEM_LOCATION_TYPE_MAX:
      break;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

// Shows the mapping as `wanted` says. False: the system has no mapping left.
bool apply(CUdeviceptr address, Mapping* mapping, std::span<const CUmemAccessDesc> wanted) {
  const Backing& backing = mapping->handle->physical->backing;
  const Rights before = device_rights(*mapping);
  const CUmemAccess_flags host_before = mapping->host;
  for (const CUmemAccessDesc& one : wanted) {
    if (one.location.type == CU_MEM_LOCATION_TYPE_DEVICE) {
      mapping->devices[one.location.id] = one.flags;
    } else {
      mapping->host = one.flags;
    }
  }
  const Rights after = device_rights(*mapping);
  for (const auto& [device, flags] : mapping->devices) {
    if (after.of(device) == before.of(device)) continue;
    if (!show(device, address, backing, mapping->size, after.of(device))) return false;
  }
  change(address, [&after](Allocation& allocation) { allocation.rights = after; });
  if (mapping->host == host_before) return true;
  if (mapping->host == CU_MEM_ACCESS_FLAGS_PROT_NONE) {
    hide_from_host(address, mapping->size);
    return true;
  }
  return show_to_host(address, backing, mapping->size, as_access(mapping->host));
}

}  // namespace

// All or nothing: every description is checked against every mapping before the first change.
CUresult vmm_set_access(CUdeviceptr address, size_t size, std::span<const CUmemAccessDesc> wanted) {
  if (wanted.empty()) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(state().mutex);
  const auto found = state().cover(address, size);
  if (found.empty()) return CUDA_ERROR_INVALID_VALUE;
  for (const auto& it : found) {
    for (const CUmemAccessDesc& one : wanted) {
      const CUresult status = check_access(one, *it->second.handle->physical);
      if (status != CUDA_SUCCESS) return status;
    }
  }
  for (const auto& it : found) {
    if (!apply(it->first, &it->second, wanted)) return CUDA_ERROR_OUT_OF_MEMORY;
  }
  return CUDA_SUCCESS;
}

CUresult vmm_get_access(unsigned long long* out, const CUmemLocation& location,
                        CUdeviceptr address) {
  std::lock_guard lock(state().mutex);
  const auto it = state().mapping(address);
  if (!out || it == state().mappings.end()) return CUDA_ERROR_INVALID_VALUE;
  const Mapping& mapping = it->second;
  switch (location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE: {
      if (!valid_device(location.id)) return CUDA_ERROR_INVALID_DEVICE;
      const auto device = mapping.devices.find(location.id);
      *out = device == mapping.devices.end() ? CU_MEM_ACCESS_FLAGS_PROT_NONE : device->second;
      return CUDA_SUCCESS;
    }
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
      *out = mapping.host;
      return CUDA_SUCCESS;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
    case CU_MEM_LOCATION_TYPE_INVALID:
    case CU_MEM_LOCATION_TYPE_MAX:
      break;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

}  // namespace sim
