// SPDX-License-Identifier: Apache-2.0
// What a pool can be told and asked.
#include <cstring>

#include "tests/sim/driver/device.h"
#include "tests/sim/driver/pool.h"

namespace sim {
namespace {

template <class T>
void write(void* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

template <class T>
T read(const void* value) {
  T got;
  std::memcpy(&got, value, sizeof got);
  return got;
}

}  // namespace

CUresult Pool::get(CUmemPool_attribute attribute, void* out) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(mutex_);
  switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
      return write(out, follow_events_), CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
      return write(out, opportunistic_), CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
      return write(out, internal_dependencies_), CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
      return write(out, release_threshold_), CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
      return write(out, reserved_), CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      return write(out, reserved_high_), CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
      return write(out, used_), CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      return write(out, used_high_), CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult Pool::set(CUmemPool_attribute attribute, const void* value) {
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(mutex_);
  switch (attribute) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
      return follow_events_ = read<int>(value), CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
      return opportunistic_ = read<int>(value), CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
      return internal_dependencies_ = read<int>(value), CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
      return release_threshold_ = read<cuuint64_t>(value), CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      if (read<cuuint64_t>(value) != 0) return CUDA_ERROR_INVALID_VALUE;
      return reserved_high_ = reserved_, CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      if (read<cuuint64_t>(value) != 0) return CUDA_ERROR_INVALID_VALUE;
      return used_high_ = used_, CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
      break;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult Pool::get_access(CUmemAccess_flags* out, const CUmemLocation& location) {
  if (!out || location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
  if (!valid_device(location.id)) return CUDA_ERROR_INVALID_DEVICE;
  std::lock_guard lock(mutex_);
  *out = rights_.of(location.id) == Access::None ? CU_MEM_ACCESS_FLAGS_PROT_NONE
                                                 : CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  return CUDA_SUCCESS;
}

}  // namespace sim
