// SPDX-License-Identifier: Apache-2.0
// Entry points of stream-ordered allocation and of memory pools.
#include "tests/sim/driver/device.h"
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/extents.h"
#include "tests/sim/driver/graph_memory.h"
#include "tests/sim/driver/pool.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/streams.h"

namespace sim {
namespace {

// pool null: the current one of the stream's device.
CUresult allocate(CUdeviceptr* out, size_t bytes, std::shared_ptr<Pool> pool, CUstream handle,
                  bool per_thread) {
  if (!out || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream); status != CUDA_SUCCESS) {
    return status;
  }
  if (capturing(stream)) {
    return capture_alloc(stream, pool ? pool->device() : stream->context->device, bytes, out);
  }
  if (!pool) pool = current_pool(stream->context->device);
  host_cost_ns(profile().alloc_async_ns);
  return pool->allocate(out, bytes, stream);
}

CUresult with_location(const CUmemLocation* location, CUmemAllocationType type, int* device) {
  if (!location || type != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_INVALID_VALUE;
  if (location->type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_NOT_SUPPORTED;
  if (!valid_device(location->id)) return CUDA_ERROR_INVALID_DEVICE;
  *device = location->id;
  return CUDA_SUCCESS;
}

CUresult make_current(int device, CUmemoryPool handle) {
  if (!valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  auto pool = find_pool(handle);
  if (!pool || pool->device() != device) return CUDA_ERROR_INVALID_VALUE;
  set_current_pool(device, std::move(pool));
  return CUDA_SUCCESS;
}

// Memory of an allocation node whose graph has no free node.
CUresult free_of_graph(Stream* stream, CUdeviceptr address) {
  auto lock = Scheduler::get().lock();
  Work work;
  if (const CUresult status = free_graph_memory(address, &work)) return status;
  return append(lock, *stream, std::move(work));
}

}  // namespace
}  // namespace sim

SIM_TWIN(cuMemAllocAsync, _ptsz, (CUdeviceptr * out, size_t bytes, CUstream stream),
         (out, bytes, stream)) {
  return sim::allocate(out, bytes, nullptr, stream, per_thread);
}

SIM_TWIN(cuMemAllocFromPoolAsync, _ptsz,
         (CUdeviceptr * out, size_t bytes, CUmemoryPool handle, CUstream stream),
         (out, bytes, handle, stream)) {
  auto pool = sim::find_pool(handle);
  if (!pool) return CUDA_ERROR_INVALID_VALUE;
  return sim::allocate(out, bytes, std::move(pool), stream, per_thread);
}

SIM_TWIN(cuMemFreeAsync, _ptsz, (CUdeviceptr address, CUstream handle), (address, handle)) {
  sim::Stream* stream = nullptr;
  if (const CUresult status = sim::find_stream(handle, per_thread, &stream);
      status != CUDA_SUCCESS) {
    return status;
  }
  if (sim::capturing(stream)) return sim::capture_free(stream, address);
  const auto pool = sim::pool_of(address);
  if (!pool) return sim::free_of_graph(stream, address);
  sim::host_cost_ns(sim::profile().free_async_ns);
  return pool->release(address, stream);
}

SIM_API cuMemPoolCreate(CUmemoryPool* out, const CUmemPoolProps* properties) {
  SIM_ENTER(cuMemPoolCreate);
  if (!properties) return CUDA_ERROR_INVALID_VALUE;
  return sim::create_pool(out, *properties);
}

SIM_API cuMemPoolDestroy(CUmemoryPool pool) {
  SIM_ENTER(cuMemPoolDestroy);
  return sim::destroy_pool(pool);
}

SIM_API cuMemPoolTrimTo(CUmemoryPool handle, size_t keep) {
  SIM_ENTER(cuMemPoolTrimTo);
  const auto pool = sim::find_pool(handle);
  if (!pool) return CUDA_ERROR_INVALID_VALUE;
  pool->trim_to(keep);
  return CUDA_SUCCESS;
}

SIM_API cuMemPoolSetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
  SIM_ENTER(cuMemPoolSetAttribute);
  const auto pool = sim::find_pool(handle);
  return pool ? pool->set(attribute, value) : CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuMemPoolGetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* out) {
  SIM_ENTER(cuMemPoolGetAttribute);
  const auto pool = sim::find_pool(handle);
  return pool ? pool->get(attribute, out) : CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuMemPoolSetAccess(CUmemoryPool handle, const CUmemAccessDesc* wanted, size_t count) {
  SIM_ENTER(cuMemPoolSetAccess);
  const auto pool = sim::find_pool(handle);
  if (!pool || !wanted || count == 0) return CUDA_ERROR_INVALID_VALUE;
  return pool->set_access({wanted, count});
}

SIM_API cuMemPoolGetAccess(CUmemAccess_flags* out, CUmemoryPool handle, CUmemLocation* location) {
  SIM_ENTER(cuMemPoolGetAccess);
  const auto pool = sim::find_pool(handle);
  if (!pool || !location) return CUDA_ERROR_INVALID_VALUE;
  return pool->get_access(out, *location);
}

// Pools cannot be exported: MEMPOOL_SUPPORTED_HANDLE_TYPES is 0, so no pool was made for it.
SIM_API cuMemPoolExportToShareableHandle(void* out, CUmemoryPool pool, CUmemAllocationHandleType,
                                         unsigned long long) {
  SIM_ENTER(cuMemPoolExportToShareableHandle);
  if (!out || !sim::find_pool(pool)) return CUDA_ERROR_INVALID_VALUE;
  return CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuMemPoolExportPointer(CUmemPoolPtrExportData*, CUdeviceptr) {
  SIM_ENTER(cuMemPoolExportPointer);
  return CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuDeviceGetDefaultMemPool(CUmemoryPool* out, CUdevice device) {
  SIM_ENTER(cuDeviceGetDefaultMemPool);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *out = sim::default_pool(device)->handle();
  return CUDA_SUCCESS;
}

SIM_API cuDeviceGetMemPool(CUmemoryPool* out, CUdevice device) {
  SIM_ENTER(cuDeviceGetMemPool);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *out = sim::current_pool(device)->handle();
  return CUDA_SUCCESS;
}

SIM_API cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool) {
  SIM_ENTER(cuDeviceSetMemPool);
  return sim::make_current(device, pool);
}

SIM_API cuMemGetDefaultMemPool(CUmemoryPool* out, CUmemLocation* location,
                               CUmemAllocationType type) {
  SIM_ENTER(cuMemGetDefaultMemPool);
  int device = 0;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  const CUresult status = sim::with_location(location, type, &device);
  if (status == CUDA_SUCCESS) *out = sim::default_pool(device)->handle();
  return status;
}

SIM_API cuMemGetMemPool(CUmemoryPool* out, CUmemLocation* location, CUmemAllocationType type) {
  SIM_ENTER(cuMemGetMemPool);
  int device = 0;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  const CUresult status = sim::with_location(location, type, &device);
  if (status == CUDA_SUCCESS) *out = sim::current_pool(device)->handle();
  return status;
}

SIM_API cuMemSetMemPool(CUmemLocation* location, CUmemAllocationType type, CUmemoryPool pool) {
  SIM_ENTER(cuMemSetMemPool);
  int device = 0;
  const CUresult status = sim::with_location(location, type, &device);
  return status == CUDA_SUCCESS ? sim::make_current(device, pool) : status;
}
