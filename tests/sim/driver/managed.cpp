// SPDX-License-Identifier: Apache-2.0
// Advice on managed memory. It is host memory here and never migrates: advice is checked, kept and
// told back, nothing more.
#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include "tests/sim/driver/device.h"
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/extents.h"
#include "tests/sim/driver/stream.h"

namespace sim {
namespace {

constexpr CUmemLocation kNowhere{CU_MEM_LOCATION_TYPE_INVALID, CU_DEVICE_INVALID};

// A whole allocation takes the advice of its last range: enough for an instrument that moves
// nothing.
struct Advice {
  bool read_mostly = false;
  CUmemLocation preferred = kNowhere;
  CUmemLocation last_prefetch = kNowhere;
  std::set<int> accessed_by;
};

struct Advices {
  std::mutex mutex;
  std::map<uint64_t, Advice> by_buffer;  // buffer ids are never reused
};

Advices& advices() {
  static auto* all = new Advices;
  return *all;
}

bool find_buffer(CUdeviceptr address, size_t bytes, uint64_t* out) {
  Extent extent;
  if (bytes == 0 || !find_extent(address, &extent)) return false;
  if (extent.kind != Extent::Kind::Managed) return false;
  if (bytes > extent.size - (address - extent.base)) return false;
  *out = extent.buffer_id;
  return true;
}

CUresult check_location(const CUmemLocation& location) {
  switch (location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE:
      return valid_device(location.id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
      return CUDA_SUCCESS;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
      return location.id == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_MEM_LOCATION_TYPE_INVALID:
    case CU_MEM_LOCATION_TYPE_MAX:
      break;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

// How the older calls name a place.
CUmemLocation place(CUdevice device) {
  if (device == CU_DEVICE_CPU) return {CU_MEM_LOCATION_TYPE_HOST, 0};
  return {CU_MEM_LOCATION_TYPE_DEVICE, device};
}

int as_device(const CUmemLocation& location) {
  switch (location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE:
      return location.id;
    case CU_MEM_LOCATION_TYPE_HOST:
      return CU_DEVICE_CPU;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
    case CU_MEM_LOCATION_TYPE_INVALID:
    case CU_MEM_LOCATION_TYPE_MAX:
      break;
  }
  return CU_DEVICE_INVALID;
}

CUresult advise(CUdeviceptr address, size_t bytes, CUmem_advise advice, CUmemLocation location) {
  uint64_t buffer = 0;
  if (!find_buffer(address, bytes, &buffer)) return CUDA_ERROR_INVALID_VALUE;
  const bool located = advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION ||
                       advice == CU_MEM_ADVISE_SET_ACCESSED_BY ||
                       advice == CU_MEM_ADVISE_UNSET_ACCESSED_BY;
  if (located) {
    const CUresult status = check_location(location);
    if (status != CUDA_SUCCESS) return status;
  }
  std::lock_guard lock(advices().mutex);
  Advice& kept = advices().by_buffer[buffer];
  switch (advice) {
    case CU_MEM_ADVISE_SET_READ_MOSTLY:
      return kept.read_mostly = true, CUDA_SUCCESS;
    case CU_MEM_ADVISE_UNSET_READ_MOSTLY:
      return kept.read_mostly = false, CUDA_SUCCESS;
    case CU_MEM_ADVISE_SET_PREFERRED_LOCATION:
      return kept.preferred = location, CUDA_SUCCESS;
    case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION:
      return kept.preferred = kNowhere, CUDA_SUCCESS;
    case CU_MEM_ADVISE_SET_ACCESSED_BY:
      return kept.accessed_by.insert(as_device(location)), CUDA_SUCCESS;
    case CU_MEM_ADVISE_UNSET_ACCESSED_BY:
      return kept.accessed_by.erase(as_device(location)), CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult prefetched(CUdeviceptr address, size_t bytes, CUmemLocation location) {
  uint64_t buffer = 0;
  if (!find_buffer(address, bytes, &buffer)) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult status = check_location(location); status != CUDA_SUCCESS) return status;
  std::lock_guard lock(advices().mutex);
  advices().by_buffer[buffer].last_prefetch = location;
  return CUDA_SUCCESS;
}

CUresult range_attribute(void* out, size_t bytes_out, CUmem_range_attribute attribute,
                         CUdeviceptr address, size_t bytes) {
  uint64_t buffer = 0;
  if (!out || !find_buffer(address, bytes, &buffer)) return CUDA_ERROR_INVALID_VALUE;
  if (bytes_out == 0 || bytes_out % sizeof(int) != 0) return CUDA_ERROR_INVALID_VALUE;
  auto* values = static_cast<int*>(out);
  std::lock_guard lock(advices().mutex);
  const Advice& kept = advices().by_buffer[buffer];
  if (attribute == CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY) {
    std::fill_n(values, bytes_out / sizeof(int), CU_DEVICE_INVALID);
    std::copy_n(kept.accessed_by.begin(),
                std::min(kept.accessed_by.size(), bytes_out / sizeof(int)), values);
    return CUDA_SUCCESS;
  }
  if (bytes_out != sizeof(int)) return CUDA_ERROR_INVALID_VALUE;
  switch (attribute) {
    case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY:
      return *values = kept.read_mostly, CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
      return *values = as_device(kept.preferred), CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION:
      return *values = as_device(kept.last_prefetch), CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE:
      return *values = kept.preferred.type, CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID:
      return *values = kept.preferred.id, CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE:
      return *values = kept.last_prefetch.type, CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID:
      return *values = kept.last_prefetch.id, CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY:
      break;  // above
  }
  return CUDA_ERROR_INVALID_VALUE;
}

// Nothing moves, but the call takes its place in the stream.
CUresult prefetch(CUdeviceptr address, size_t bytes, CUmemLocation location, CUstream handle,
                  bool per_thread) {
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream); status != CUDA_SUCCESS) {
    return status;
  }
  if (const CUresult status = prefetched(address, bytes, location); status != CUDA_SUCCESS) {
    return status;
  }
  Work work;
  work.name = "cuMemPrefetchAsync";
  work.run = [] { return Done{}; };
  return enqueue(stream, std::move(work));
}

}  // namespace
}  // namespace sim

SIM_API cuMemAdvise(CUdeviceptr address, size_t bytes, CUmem_advise advice, CUdevice device) {
  SIM_ENTER_CONTEXT(cuMemAdvise, context);
  return sim::advise(address, bytes, advice, sim::place(device));
}

SIM_API cuMemAdvise_v2(CUdeviceptr address, size_t bytes, CUmem_advise advice,
                       CUmemLocation location) {
  SIM_ENTER_CONTEXT(cuMemAdvise_v2, context);
  return sim::advise(address, bytes, advice, location);
}

SIM_TWIN(cuMemPrefetchAsync, _ptsz,
         (CUdeviceptr address, size_t bytes, CUdevice device, CUstream stream),
         (address, bytes, device, stream)) {
  return sim::prefetch(address, bytes, sim::place(device), stream, per_thread);
}

SIM_TWIN(cuMemPrefetchAsync_v2, _ptsz,
         (CUdeviceptr address, size_t bytes, CUmemLocation location, unsigned flags,
          CUstream stream),
         (address, bytes, location, flags, stream)) {
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  return sim::prefetch(address, bytes, location, stream, per_thread);
}

SIM_API cuMemRangeGetAttribute(void* out, size_t bytes_out, CUmem_range_attribute attribute,
                               CUdeviceptr address, size_t bytes) {
  SIM_ENTER_CONTEXT(cuMemRangeGetAttribute, context);
  return sim::range_attribute(out, bytes_out, attribute, address, bytes);
}

SIM_API cuMemRangeGetAttributes(void** out, size_t* bytes_out, CUmem_range_attribute* attributes,
                                size_t count, CUdeviceptr address, size_t bytes) {
  SIM_ENTER_CONTEXT(cuMemRangeGetAttributes, context);
  if (!out || !bytes_out || !attributes || count == 0) return CUDA_ERROR_INVALID_VALUE;
  for (size_t i = 0; i < count; ++i) {
    const CUresult status =
        sim::range_attribute(out[i], bytes_out[i], attributes[i], address, bytes);
    if (status != CUDA_SUCCESS) return status;
  }
  return CUDA_SUCCESS;
}
