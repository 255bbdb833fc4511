// SPDX-License-Identifier: Apache-2.0
// Questions about memory, answered for a range as the driver answers for an ordinary allocation,
// wherever the bytes are just now.
#include <algorithm>
#include <cstring>

#include "runtime/ledger.h"
#include "runtime/manager.h"

namespace spillway {

namespace {

struct Answer {
  CUdeviceptr base = 0;
  uint64_t bytes = 0;
  int device = 0;
  CUcontext context = nullptr;
  CUmemoryPool pool = nullptr;
  uint64_t buffer_id = 0;
};

bool look_up(Engine& engine, CUdeviceptr address, Answer* out) {
  if (!engine.arena.at(address)) return false;
  Held held(engine.ledger);
  const Range* range = find_live(engine, held, address);
  if (!range || address - range->base >= range->bytes) return false;
  CUmemoryPool pool = range->pool;
  // Memory of a pool belongs to the device, not to a context.
  const CUcontext context = range->stream_ordered ? nullptr : range->context;
  *out = {range->base, range->bytes, range->device, context, pool, range->buffer_id};
  const bool default_pool = range->stream_ordered && !pool;
  held.unlock();
  if (default_pool) engine.driver.cuDeviceGetDefaultMemPool(&out->pool, out->device);
  return true;
}

template <class Value>
CUresult put(void* data, Value value) {
  std::memcpy(data, &value, sizeof(value));
  return CUDA_SUCCESS;
}

// What cuda.h documents for memory of cuMemAlloc; INVALID_VALUE where that memory has no such
// attribute.
CUresult answer(void* data, CUpointer_attribute attribute, CUdeviceptr address, const Answer& it) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      return put(data, it.context);
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      return put(data, static_cast<unsigned>(CU_MEMORYTYPE_DEVICE));
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      return put(data, address);
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
      return put(data, 0u);
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      return put(data, it.buffer_id);
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      return put(data, 0u);
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      return put(data, it.device);
    // Ours cannot be exported by cuIpcGetMemHandle; libraries that ask then choose another way.
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
      return put(data, 0u);
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
      return put(data, it.base);
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
      return put(data, static_cast<size_t>(it.bytes));
    case CU_POINTER_ATTRIBUTE_MAPPED:
      return put(data, 1u);
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
      return put(data, uint64_t{0});
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
      return put(data, 0u);
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      return put(data, static_cast<unsigned>(CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE));
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      return put(data, it.pool);
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
      return put(data, static_cast<size_t>(it.bytes));
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
      return put(data, it.base);
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
      return put(data, it.buffer_id);
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
    case CU_POINTER_ATTRIBUTE_P2P_TOKENS:
      return CUDA_ERROR_INVALID_VALUE;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;  // no such attribute, or newer than the headers of this
                                        // build
  }
}

size_t value_size(CUpointer_attribute attribute) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      return sizeof(void*);
    case CU_POINTER_ATTRIBUTE_P2P_TOKENS:
      return sizeof(CUDA_POINTER_ATTRIBUTE_P2P_TOKENS);
    default:
      return 0;
  }
}

}  // namespace

CUresult Manager::mem_info(size_t* free, size_t* total) noexcept {
  const CUresult result = engine_.driver.cuMemGetInfo_v2(free, total);
  if (result != CUDA_SUCCESS || engine_.config.report == MemoryReport::Physical) return result;
  Device* device = engine_.device();
  if (!device) return result;
  Held held(engine_.ledger);
  const uint64_t used = device->live_bytes + device->external.load();
  const uint64_t all = device->limit.load() + engine_.host_limit;
  if (total) *total = all;
  if (free) *free = all > used ? all - used : 0;
  return CUDA_SUCCESS;
}

CUresult Manager::total_memory(size_t* bytes, CUdevice ordinal) noexcept {
  const CUresult result = engine_.driver.cuDeviceTotalMem_v2(bytes, ordinal);
  if (result != CUDA_SUCCESS || engine_.config.report == MemoryReport::Physical) return result;
  const Device* device = ordinal < Engine::kMaxDevices ? engine_.device(ordinal) : nullptr;
  if (device) *bytes = device->limit.load() + engine_.host_limit;
  return result;
}

CUresult Manager::address_range(CUdeviceptr* base, size_t* size, CUdeviceptr address) noexcept {
  Answer it;
  if (!look_up(engine_, address, &it))
    return engine_.driver.cuMemGetAddressRange_v2(base, size, as_seen_from_outside(address));
  if (base) *base = it.base;
  if (size) *size = it.bytes;
  return CUDA_SUCCESS;
}

CUresult Manager::pointer_attribute(void* data, CUpointer_attribute attribute,
                                    CUdeviceptr address) noexcept {
  Answer it;
  if (!data || !look_up(engine_, address, &it))
    return engine_.driver.cuPointerGetAttribute(data, attribute, as_seen_from_outside(address));
  const CUresult result = answer(data, attribute, address, it);
  return result == CUDA_ERROR_NOT_SUPPORTED ? CUDA_ERROR_INVALID_VALUE : result;
}

CUresult Manager::pointer_attributes(unsigned count, CUpointer_attribute* attributes, void** data,
                                     CUdeviceptr address) noexcept {
  Answer it;
  if (!count || !attributes || !data || !look_up(engine_, address, &it))
    return engine_.driver.cuPointerGetAttributes(count, attributes, data,
                                                 as_seen_from_outside(address));
  for (unsigned i = 0; i < count; i++) {
    if (!data[i]) return CUDA_ERROR_INVALID_VALUE;
    const CUresult result = answer(data[i], attributes[i], address, it);
    // The plural form answers with zeros what does not apply.
    if (result == CUDA_ERROR_INVALID_VALUE)
      std::memset(data[i], 0, value_size(attributes[i]));
    else if (result != CUDA_SUCCESS)
      return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

// An address of ours at which nothing lives is nobody's: the driver, which may still have memory
// mapped there, is asked about one that it cannot know.
CUdeviceptr Manager::as_seen_from_outside(CUdeviceptr address) const noexcept {
  return engine_.arena.contains(address) ? 1 : address;
}

}  // namespace spillway
