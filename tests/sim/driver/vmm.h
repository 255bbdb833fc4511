// SPDX-License-Identifier: Apache-2.0
// Virtual memory management: reservations, physical handles, and mappings of one in the other.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <span>

#include "tests/sim/driver/store.h"

namespace sim {

inline constexpr size_t kGranularity = 2 << 20;

CUresult vmm_reserve(CUdeviceptr* out, size_t size, size_t align, CUdeviceptr hint);
CUresult vmm_free(CUdeviceptr address, size_t size);
// Behind the mapping that holds the address. False: nothing is mapped.
bool vmm_backing(CUdeviceptr address, Backing* out);
bool find_reservation(CUdeviceptr address, CUdeviceptr* base, size_t* size);

// What cuMemCreate and the granularity query accept.
CUresult check_properties(const CUmemAllocationProp& properties);
CUresult vmm_create(CUmemGenericAllocationHandle* out, size_t size,
                    const CUmemAllocationProp& prop);
CUresult vmm_release(CUmemGenericAllocationHandle handle);
CUresult vmm_retain(CUmemGenericAllocationHandle* out, CUdeviceptr address);
CUresult vmm_properties(CUmemAllocationProp* out, CUmemGenericAllocationHandle handle);
CUresult vmm_export(int* out, CUmemGenericAllocationHandle handle);
CUresult vmm_import(CUmemGenericAllocationHandle* out, int file);
size_t vmm_size(CUmemGenericAllocationHandle handle);  // 0: no such handle

CUresult vmm_map(CUdeviceptr address, size_t size, CUmemGenericAllocationHandle handle);
CUresult vmm_unmap(CUdeviceptr address, size_t size);
CUresult vmm_set_access(CUdeviceptr address, size_t size, std::span<const CUmemAccessDesc> wanted);
CUresult vmm_get_access(unsigned long long* out, const CUmemLocation& location,
                        CUdeviceptr address);

}  // namespace sim
