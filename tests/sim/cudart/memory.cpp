// SPDX-License-Identifier: Apache-2.0
// Memory: device, pinned, managed, registered, shared between processes, and its pools.
#include <iterator>

#include "tests/sim/cudart/call.h"

using namespace sim::cudart;

CUDART_EXPORT cudaError_t cudaMalloc(void** out, size_t bytes) {
  if (out == nullptr) return remember(cudaErrorInvalidValue);
  if (bytes == 0) {  // the driver refuses it, the runtime answers a null pointer
    *out = nullptr;
    return remember(need_context());
  }
  return call(&Driver::MemAlloc, out, bytes);
}
CUDART_EXPORT cudaError_t cudaFree(void* address) {
  if (address == nullptr) return remember(need_context());
  return call(&Driver::MemFree, address);
}
CUDART_EXPORT cudaError_t cudaMallocPitch(void** out, size_t* pitch, size_t width, size_t height) {
  if (out == nullptr || pitch == nullptr) return remember(cudaErrorInvalidValue);
  if (width == 0 || height == 0) {
    *out = nullptr;
    *pitch = 0;
    return remember(need_context());
  }
  constexpr unsigned kWidestElement = 16;
  return call(&Driver::MemAllocPitch, out, pitch, width, height, kWidestElement);
}
CUDART_EXPORT cudaError_t cudaMalloc3D(cudaPitchedPtr* out, cudaExtent extent) {
  if (out == nullptr) return remember(cudaErrorInvalidValue);
  *out = {nullptr, 0, extent.width, extent.height};
  return cudaMallocPitch(&out->ptr, &out->pitch, extent.width, extent.height * extent.depth);
}
CUDART_EXPORT cudaError_t cudaMallocManaged(void** out, size_t bytes, unsigned flags) {
  return call(&Driver::MemAllocManaged, out, bytes, flags);
}
CUDART_EXPORT cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return call(&Driver::MemGetInfo, free, total);
}

CUDART_EXPORT cudaError_t cudaHostAlloc(void** out, size_t bytes, unsigned flags) {
  if (out == nullptr) return remember(cudaErrorInvalidValue);
  if (bytes == 0) {
    *out = nullptr;
    return remember(need_context());
  }
  return call(&Driver::MemHostAlloc, out, bytes, flags);
}
CUDART_EXPORT cudaError_t cudaMallocHost(void** out, size_t bytes) {
  return cudaHostAlloc(out, bytes, cudaHostAllocDefault);
}
CUDART_EXPORT cudaError_t cudaFreeHost(void* address) {
  if (address == nullptr) return remember(need_context());
  return call(&Driver::MemFreeHost, address);
}
CUDART_EXPORT cudaError_t cudaHostRegister(void* address, size_t bytes, unsigned flags) {
  return call(&Driver::MemHostRegister, address, bytes, flags);
}
CUDART_EXPORT cudaError_t cudaHostUnregister(void* address) {
  return call(&Driver::MemHostUnregister, address);
}
CUDART_EXPORT cudaError_t cudaHostGetDevicePointer(void** out, void* host, unsigned flags) {
  return call(&Driver::MemHostGetDevicePointer, out, host, flags);
}
CUDART_EXPORT cudaError_t cudaHostGetFlags(unsigned* flags, void* host) {
  return call(&Driver::MemHostGetFlags, flags, host);
}

CUDART_EXPORT cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* out,
                                                   const void* pointer) {
  if (out == nullptr) return remember(cudaErrorInvalidValue);
  CUcontext context = nullptr;
  CUmemorytype type{};
  unsigned managed = 0;
  int device = cudaInvalidDeviceId;
  CUdeviceptr on_device = 0;
  void* on_host = nullptr;
  CUpointer_attribute attributes[] = {
      CU_POINTER_ATTRIBUTE_CONTEXT,        CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
      CU_POINTER_ATTRIBUTE_DEVICE_POINTER, CU_POINTER_ATTRIBUTE_HOST_POINTER,
      CU_POINTER_ATTRIBUTE_IS_MANAGED,     CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};
  void* data[] = {&context, &type, &on_device, &on_host, &managed, &device};
  const cudaError_t error =
      call(&Driver::PointerGetAttributes, static_cast<unsigned>(std::size(attributes)), attributes,
           data, pointer);
  if (error != cudaSuccess) return error;
  *out = {};
  out->device = device;
  out->devicePointer = reinterpret_cast<void*>(on_device);
  out->hostPointer = on_host;
  if (managed != 0) {
    out->type = cudaMemoryTypeManaged;
  } else if (type == CU_MEMORYTYPE_HOST) {
    out->type = cudaMemoryTypeHost;
  } else if (type == CU_MEMORYTYPE_DEVICE) {
    out->type = cudaMemoryTypeDevice;
    out->hostPointer = nullptr;
  } else {  // nobody's: memory that the host alone knows
    out->type = cudaMemoryTypeUnregistered;
    out->device = cudaInvalidDeviceId;
    out->hostPointer = const_cast<void*>(pointer);
  }
  return cudaSuccess;
}

CUDART_EXPORT cudaError_t cudaMemAdvise(const void* address, size_t bytes, cudaMemoryAdvise advice,
                                        cudaMemLocation location) {
  CUmemLocation where{};
  where.type = static_cast<CUmemLocationType>(location.type);
  where.id = location.id;
  return call(&Driver::MemAdvise, address, bytes, advice, where);
}
CUDART_EXPORT cudaError_t cudaMemRangeGetAttribute(void* data, size_t size,
                                                   cudaMemRangeAttribute attribute,
                                                   const void* address, size_t bytes) {
  return call(&Driver::MemRangeGetAttribute, data, size, attribute, address, bytes);
}
CUDART_EXPORT cudaError_t cudaMemRangeGetAttributes(void** data, size_t* sizes,
                                                    cudaMemRangeAttribute* attributes, size_t count,
                                                    const void* address, size_t bytes) {
  return call(&Driver::MemRangeGetAttributes, data, sizes, attributes, count, address, bytes);
}

CUDART_EXPORT cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t* handle, void* address) {
  return call(&Driver::IpcGetMemHandle, handle, address);
}
CUDART_EXPORT cudaError_t cudaIpcOpenMemHandle(void** out, cudaIpcMemHandle_t handle,
                                               unsigned flags) {
  static_assert(sizeof(cudaIpcMemHandle_t) == sizeof(CUipcMemHandle));
  return call(&Driver::IpcOpenMemHandle, out, reinterpret_cast<CUipcMemHandle&>(handle), flags);
}
CUDART_EXPORT cudaError_t cudaIpcCloseMemHandle(void* address) {
  return call(&Driver::IpcCloseMemHandle, address);
}

CUDART_EXPORT cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  return call(&Driver::DeviceGetDefaultMemPool, pool, device);
}
CUDART_EXPORT cudaError_t cudaDeviceSetMemPool(int device, cudaMemPool_t pool) {
  return call(&Driver::DeviceSetMemPool, device, pool);
}
CUDART_EXPORT cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* pool, int device) {
  return call(&Driver::DeviceGetMemPool, pool, device);
}
static_assert(sizeof(cudaMemLocation) == sizeof(CUmemLocation));
static_assert(sizeof(cudaMemPoolProps) == sizeof(CUmemPoolProps));
static_assert(sizeof(cudaMemAccessDesc) == sizeof(CUmemAccessDesc));
static_assert(sizeof(cudaMemPoolPtrExportData) == sizeof(CUmemPoolPtrExportData));
CUDART_EXPORT cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* props) {
  return call(&Driver::MemPoolCreate, pool, props);
}
CUDART_EXPORT cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  return call(&Driver::MemPoolDestroy, pool);
}
CUDART_EXPORT cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t keep) {
  return call(&Driver::MemPoolTrimTo, pool, keep);
}
CUDART_EXPORT cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute,
                                                  void* value) {
  return call(&Driver::MemPoolSetAttribute, pool, attribute, value);
}
CUDART_EXPORT cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute,
                                                  void* value) {
  return call(&Driver::MemPoolGetAttribute, pool, attribute, value);
}
CUDART_EXPORT cudaError_t cudaMemPoolSetAccess(cudaMemPool_t pool, const cudaMemAccessDesc* list,
                                               size_t count) {
  return call(&Driver::MemPoolSetAccess, pool, list, count);
}
CUDART_EXPORT cudaError_t cudaMemPoolGetAccess(cudaMemAccessFlags* flags, cudaMemPool_t pool,
                                               cudaMemLocation* location) {
  return call(&Driver::MemPoolGetAccess, flags, pool, location);
}
CUDART_EXPORT cudaError_t cudaMemPoolExportToShareableHandle(void* handle, cudaMemPool_t pool,
                                                             cudaMemAllocationHandleType type,
                                                             unsigned flags) {
  return call(&Driver::MemPoolExportToShareableHandle, handle, pool, type, flags);
}
CUDART_EXPORT cudaError_t cudaMemPoolImportFromShareableHandle(cudaMemPool_t* pool, void* handle,
                                                               cudaMemAllocationHandleType type,
                                                               unsigned flags) {
  return call(&Driver::MemPoolImportFromShareableHandle, pool, handle, type, flags);
}
CUDART_EXPORT cudaError_t cudaMemPoolExportPointer(cudaMemPoolPtrExportData* data, void* address) {
  return call(&Driver::MemPoolExportPointer, data, address);
}
CUDART_EXPORT cudaError_t cudaMemPoolImportPointer(void** out, cudaMemPool_t pool,
                                                   cudaMemPoolPtrExportData* data) {
  return call(&Driver::MemPoolImportPointer, out, pool, data);
}
CUDART_EXPORT cudaError_t cudaMemGetDefaultMemPool(cudaMemPool_t* pool, cudaMemLocation* location,
                                                   cudaMemAllocationType type) {
  return call(&Driver::MemGetDefaultMemPool, pool, location, type);
}
CUDART_EXPORT cudaError_t cudaMemGetMemPool(cudaMemPool_t* pool, cudaMemLocation* location,
                                            cudaMemAllocationType type) {
  return call(&Driver::MemGetMemPool, pool, location, type);
}
CUDART_EXPORT cudaError_t cudaMemSetMemPool(cudaMemLocation* location, cudaMemAllocationType type,
                                            cudaMemPool_t pool) {
  return call(&Driver::MemSetMemPool, location, type, pool);
}

CUDART_EXPORT cudaError_t cudaDeviceGraphMemTrim(int device) {
  return call(&Driver::DeviceGraphMemTrim, device);
}
CUDART_EXPORT cudaError_t cudaDeviceGetGraphMemAttribute(int device,
                                                         cudaGraphMemAttributeType attribute,
                                                         void* value) {
  return call(&Driver::DeviceGetGraphMemAttribute, device, attribute, value);
}
CUDART_EXPORT cudaError_t cudaDeviceSetGraphMemAttribute(int device,
                                                         cudaGraphMemAttributeType attribute,
                                                         void* value) {
  return call(&Driver::DeviceSetGraphMemAttribute, device, attribute, value);
}
