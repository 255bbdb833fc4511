// SPDX-License-Identifier: Apache-2.0
// Entry points of virtual memory management. They need no current context, but fail in one that has
// a sticky error, and those that change mappings are illegal while a capture is under way.
#include "tests/sim/driver/api.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/stream.h"
#include "tests/sim/driver/vmm.h"

#define SIM_ENTER_VMM(symbol) \
  SIM_ENTER(symbol);          \
  if (const CUresult sim_sticky = sim::sticky_error(); sim_sticky != CUDA_SUCCESS) return sim_sticky

namespace sim {
namespace {

CUresult sticky_error() {
  const Context* context = current_context();
  return context ? context->sticky.load() : CUDA_SUCCESS;
}

double mib(size_t bytes) {
  constexpr double kMib = 1 << 20;
  return static_cast<double>(bytes) / kMib;
}

}  // namespace
}  // namespace sim

SIM_API cuMemAddressReserve(CUdeviceptr* out, size_t size, size_t align, CUdeviceptr hint,
                            unsigned long long flags) {
  SIM_ENTER_VMM(cuMemAddressReserve);
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  sim::host_cost_ns(sim::profile().reserve_ns);
  return sim::vmm_reserve(out, size, align, hint);
}

SIM_API cuMemAddressFree(CUdeviceptr address, size_t size) {
  SIM_ENTER_VMM(cuMemAddressFree);
  sim::host_cost_ns(sim::profile().address_free_ns);
  return sim::vmm_free(address, size);
}

SIM_API cuMemCreate(CUmemGenericAllocationHandle* out, size_t size, const CUmemAllocationProp* prop,
                    unsigned long long flags) {
  SIM_ENTER_VMM(cuMemCreate);
  if (!prop || flags != 0) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult status = sim::forbid_in_capture(); status != CUDA_SUCCESS) return status;
  const bool host = prop->location.type != CU_MEM_LOCATION_TYPE_DEVICE;
  const auto& costs = sim::profile();
  sim::host_cost_ns(costs.create_ns +
                    (host ? costs.create_host_mib_ns : costs.create_mib_ns) * sim::mib(size));
  return sim::vmm_create(out, size, *prop);
}

SIM_API cuMemRelease(CUmemGenericAllocationHandle handle) {
  SIM_ENTER_VMM(cuMemRelease);
  const auto& costs = sim::profile();
  sim::host_cost_ns(costs.release_ns + costs.release_mib_ns * sim::mib(sim::vmm_size(handle)));
  return sim::vmm_release(handle);
}

SIM_API cuMemMap(CUdeviceptr address, size_t size, size_t offset,
                 CUmemGenericAllocationHandle handle, unsigned long long flags) {
  SIM_ENTER_VMM(cuMemMap);
  if (offset != 0 || flags != 0) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult status = sim::forbid_in_capture(); status != CUDA_SUCCESS) return status;
  sim::host_cost_ns(sim::profile().map_ns);
  return sim::vmm_map(address, size, handle);
}

SIM_API cuMemUnmap(CUdeviceptr address, size_t size) {
  SIM_ENTER_VMM(cuMemUnmap);
  if (const CUresult status = sim::forbid_in_capture(); status != CUDA_SUCCESS) return status;
  const auto& costs = sim::profile();
  sim::host_cost_ns(costs.unmap_ns + costs.unmap_mib_ns * sim::mib(size));
  return sim::vmm_unmap(address, size);
}

SIM_API cuMemSetAccess(CUdeviceptr address, size_t size, const CUmemAccessDesc* wanted,
                       size_t count) {
  SIM_ENTER_VMM(cuMemSetAccess);
  if (!wanted || count == 0) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult status = sim::forbid_in_capture(); status != CUDA_SUCCESS) return status;
  const auto& costs = sim::profile();
  sim::host_cost_ns(costs.set_access_ns + costs.set_access_mib_ns * sim::mib(size));
  return sim::vmm_set_access(address, size, {wanted, count});
}

SIM_API cuMemGetAccess(unsigned long long* flags, const CUmemLocation* location,
                       CUdeviceptr address) {
  SIM_ENTER_VMM(cuMemGetAccess);
  if (!location) return CUDA_ERROR_INVALID_VALUE;
  return sim::vmm_get_access(flags, *location, address);
}

SIM_API cuMemGetAllocationGranularity(size_t* out, const CUmemAllocationProp* prop,
                                      CUmemAllocationGranularity_flags option) {
  SIM_ENTER_VMM(cuMemGetAllocationGranularity);
  if (!out || !prop) return CUDA_ERROR_INVALID_VALUE;
  if (option != CU_MEM_ALLOC_GRANULARITY_MINIMUM &&
      option != CU_MEM_ALLOC_GRANULARITY_RECOMMENDED) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const CUresult status = sim::check_properties(*prop);
  if (status == CUDA_SUCCESS) *out = sim::kGranularity;
  return status;
}

SIM_API cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp* out,
                                               CUmemGenericAllocationHandle handle) {
  SIM_ENTER_VMM(cuMemGetAllocationPropertiesFromHandle);
  return sim::vmm_properties(out, handle);
}

SIM_API cuMemRetainAllocationHandle(CUmemGenericAllocationHandle* out, void* address) {
  SIM_ENTER_VMM(cuMemRetainAllocationHandle);
  return sim::vmm_retain(out, reinterpret_cast<CUdeviceptr>(address));
}

SIM_API cuMemExportToShareableHandle(void* out, CUmemGenericAllocationHandle handle,
                                     CUmemAllocationHandleType type, unsigned long long flags) {
  SIM_ENTER_VMM(cuMemExportToShareableHandle);
  if (flags != 0 || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return sim::vmm_export(static_cast<int*>(out), handle);
}

// The descriptor itself is passed in the pointer.
SIM_API cuMemImportFromShareableHandle(CUmemGenericAllocationHandle* out, void* os_handle,
                                       CUmemAllocationHandleType type) {
  SIM_ENTER_VMM(cuMemImportFromShareableHandle);
  if (type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_NOT_SUPPORTED;
  return sim::vmm_import(out, static_cast<int>(reinterpret_cast<intptr_t>(os_handle)));
}
