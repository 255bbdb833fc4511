// SPDX-License-Identifier: Apache-2.0
// What an address is: cuPointerGetAttribute and its kin.
#include <cstring>
#include <optional>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/device.h"
#include "tests/sim/driver/extents.h"
#include "tests/sim/driver/vmm.h"

namespace sim {
namespace {

// Everything that is known of one address.
struct Pointed {
  CUdeviceptr address = 0;
  int device = 0;  // that asks
  std::optional<Allocation> allocation;
  bool reserved = false;  // in a VMM reservation, mapped or not
  CUdeviceptr range_base = 0;
  size_t range_size = 0;
};

Pointed look(const Context& context, CUdeviceptr address) {
  Pointed pointed;
  pointed.device = context.device;
  pointed.address = address;
  pointed.allocation = find(address);
  pointed.reserved = find_reservation(address, &pointed.range_base, &pointed.range_size);
  if (!pointed.reserved && pointed.allocation) {
    pointed.range_base = pointed.allocation->extent.base;
    pointed.range_size = pointed.allocation->extent.size;
  }
  return pointed;
}

template <class T>
CUresult give(void* out, T value) {
  std::memcpy(out, &value, sizeof value);
  return CUDA_SUCCESS;
}

// Contexts own what cuMemAlloc and the host calls make; VMM and pool memory belong to none.
CUresult context_of(void* out, const Allocation& allocation) {
  return give<CUcontext>(out, allocation.context ? handle(allocation.context) : nullptr);
}

bool readable_by_host(const Allocation& allocation) {
  switch (allocation.extent.kind) {
    case Extent::Kind::Host:
    case Extent::Kind::Registered:
    case Extent::Kind::Managed:
      return true;
    case Extent::Kind::Vmm:
      return allocation.extent.type == CU_MEMORYTYPE_HOST;
    case Extent::Kind::Device:
    case Extent::Kind::Pool:
    case Extent::Kind::Variable:
    case Extent::Kind::Imported:
    case Extent::Kind::Graph:
      return false;
  }
  return false;
}

unsigned access_flags(Access access) {
  switch (access) {
    case Access::None:
      return CU_POINTER_ATTRIBUTE_ACCESS_FLAG_NONE;
    case Access::Read:
      return CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READ;
    case Access::ReadWrite:
      return CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE;
  }
  return CU_POINTER_ATTRIBUTE_ACCESS_FLAG_NONE;
}

// INVALID_VALUE: the address has no such property.
CUresult answer(void* out, CUpointer_attribute attribute, const Pointed& pointed) {
  // A reservation has these even where nothing is mapped.
  if (pointed.reserved || pointed.allocation) {
    if (attribute == CU_POINTER_ATTRIBUTE_RANGE_START_ADDR) return give(out, pointed.range_base);
    if (attribute == CU_POINTER_ATTRIBUTE_RANGE_SIZE) return give(out, pointed.range_size);
    if (attribute == CU_POINTER_ATTRIBUTE_MAPPED) {
      return give<int>(out, pointed.allocation.has_value());
    }
  }
  if (!pointed.allocation) return CUDA_ERROR_INVALID_VALUE;
  const Allocation& allocation = *pointed.allocation;
  const Extent& extent = allocation.extent;
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      return context_of(out, allocation);
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      return give<unsigned>(out, extent.type);
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      return give(out, pointed.address);
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      if (!readable_by_host(allocation)) return CUDA_ERROR_INVALID_VALUE;
      return give(out, pointed.address);
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
      return give<int>(out, allocation.sync_memops);
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      return give<unsigned long long>(out, extent.buffer_id);
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      return give<int>(out, extent.kind == Extent::Kind::Managed);
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      return give<int>(out, extent.device);
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
      return give<int>(out, extent.kind == Extent::Kind::Device);
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
      return give<unsigned long long>(out, allocation.handle_types);
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE:
      return give<int>(out, 0);
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      return give(out, access_flags(allocation.rights.of(pointed.device)));
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      return give(out, allocation.pool);
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
      return give(out, extent.size);
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
      return give(out, extent.base);
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
      return give<unsigned long long>(out, extent.buffer_id);
    case CU_POINTER_ATTRIBUTE_P2P_TOKENS:  // no kernel module to give them to
      return CUDA_ERROR_NOT_SUPPORTED;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
    case CU_POINTER_ATTRIBUTE_MAPPED:
      break;  // answered above
  }
  return CUDA_ERROR_INVALID_VALUE;
}

// What the plural form writes when there is no answer; 0: no such attribute.
size_t size_of(CUpointer_attribute attribute) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
      return sizeof(uint64_t);
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_MAPPED:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
    case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE:
      return sizeof(int);
    case CU_POINTER_ATTRIBUTE_P2P_TOKENS:
      break;  // only the singular form has it
  }
  return 0;
}

}  // namespace
}  // namespace sim

SIM_API cuPointerGetAttribute(void* out, CUpointer_attribute attribute, CUdeviceptr address) {
  SIM_ENTER_CONTEXT(cuPointerGetAttribute, context);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  return sim::answer(out, attribute, sim::look(*context, address));
}

// An address that CUDA does not know is no error here: its attributes are zero, its device is -2
// ("none") as the driver has it.
SIM_API cuPointerGetAttributes(unsigned count, CUpointer_attribute* attributes, void** out,
                               CUdeviceptr address) {
  SIM_ENTER_CONTEXT(cuPointerGetAttributes, context);
  if (count == 0 || !attributes || !out) return CUDA_ERROR_INVALID_VALUE;
  for (unsigned i = 0; i < count; ++i) {
    if (!out[i] || sim::size_of(attributes[i]) == 0) return CUDA_ERROR_INVALID_VALUE;
  }
  const sim::Pointed pointed = sim::look(*context, address);
  for (unsigned i = 0; i < count; ++i) {
    if (sim::answer(out[i], attributes[i], pointed) == CUDA_SUCCESS) continue;
    std::memset(out[i], 0, sim::size_of(attributes[i]));
    if (attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL) sim::give<int>(out[i], -2);
  }
  return CUDA_SUCCESS;
}

SIM_API cuPointerSetAttribute(const void* value, CUpointer_attribute attribute,
                              CUdeviceptr address) {
  SIM_ENTER_CONTEXT(cuPointerSetAttribute, context);
  if (!value || attribute != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS) return CUDA_ERROR_INVALID_VALUE;
  const auto found = sim::find(address);
  if (!found) return CUDA_ERROR_INVALID_VALUE;
  // Mapped and pool memory follows CU_CTX_SYNC_MEMOPS instead.
  if (found->extent.kind == sim::Extent::Kind::Vmm ||
      found->extent.kind == sim::Extent::Kind::Pool) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  int wanted = 0;
  std::memcpy(&wanted, value, sizeof wanted);
  sim::change(address,
              [wanted](sim::Allocation& allocation) { allocation.sync_memops = wanted != 0; });
  return CUDA_SUCCESS;
}
