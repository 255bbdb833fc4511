// SPDX-License-Identifier: Apache-2.0
// Copies, sets and stream-ordered allocation. Compiled for both kinds of default stream.
#include "tests/sim/cudart/call.h"
#include "tests/sim/cudart/convert.h"
#include "tests/sim/cudart/registry.h"

namespace sim::cudart {
inline namespace SIM_STREAMS {
namespace {

cudaError_t copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (!valid(kind)) return remember(cudaErrorInvalidMemcpyDirection);
  if (bytes == 0) return cudaSuccess;
  switch (kind) {
    case cudaMemcpyHostToDevice:
      return call(&Driver::MemcpyHtoD, to, from, bytes);
    case cudaMemcpyDeviceToHost:
      return call(&Driver::MemcpyDtoH, to, from, bytes);
    case cudaMemcpyDeviceToDevice:
      return call(&Driver::MemcpyDtoD, to, from, bytes);
    case cudaMemcpyHostToHost:
    case cudaMemcpyDefault:
      break;
  }
  return call(&Driver::Memcpy, to, from, bytes);
}

cudaError_t copy_async(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                       cudaStream_t stream) {
  if (!valid(kind)) return remember(cudaErrorInvalidMemcpyDirection);
  if (bytes == 0) return cudaSuccess;
  switch (kind) {
    case cudaMemcpyHostToDevice:
      return call(&Driver::MemcpyHtoDAsync, to, from, bytes, stream);
    case cudaMemcpyDeviceToHost:
      return call(&Driver::MemcpyDtoHAsync, to, from, bytes, stream);
    case cudaMemcpyDeviceToDevice:
      return call(&Driver::MemcpyDtoDAsync, to, from, bytes, stream);
    case cudaMemcpyHostToHost:
    case cudaMemcpyDefault:
      break;
  }
  return call(&Driver::MemcpyAsync, to, from, bytes, stream);
}

}  // namespace
}  // namespace SIM_STREAMS
}  // namespace sim::cudart

using namespace sim::cudart;

CUDART_EXPORT cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes,
                                     cudaMemcpyKind kind) {
  return copy(to, from, bytes, kind);
}
CUDART_EXPORT cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes,
                                          cudaMemcpyKind kind, cudaStream_t stream) {
  return copy_async(to, from, bytes, kind, stream);
}

CUDART_EXPORT cudaError_t cudaMemcpyToSymbol(const void* variable, const void* from, size_t bytes,
                                             size_t offset, cudaMemcpyKind kind) {
  char* to = nullptr;
  if (const cudaError_t error = symbol_target(variable, offset, bytes, kind, &to);
      error != cudaSuccess)
    return remember(error);
  return copy(to, from, bytes, kind);
}
CUDART_EXPORT cudaError_t cudaMemcpyToSymbolAsync(const void* variable, const void* from,
                                                  size_t bytes, size_t offset, cudaMemcpyKind kind,
                                                  cudaStream_t stream) {
  char* to = nullptr;
  if (const cudaError_t error = symbol_target(variable, offset, bytes, kind, &to);
      error != cudaSuccess)
    return remember(error);
  return copy_async(to, from, bytes, kind, stream);
}
CUDART_EXPORT cudaError_t cudaMemcpyFromSymbol(void* to, const void* variable, size_t bytes,
                                               size_t offset, cudaMemcpyKind kind) {
  char* from = nullptr;
  if (const cudaError_t error = symbol_source(variable, offset, bytes, kind, &from);
      error != cudaSuccess)
    return remember(error);
  return copy(to, from, bytes, kind);
}
CUDART_EXPORT cudaError_t cudaMemcpyFromSymbolAsync(void* to, const void* variable, size_t bytes,
                                                    size_t offset, cudaMemcpyKind kind,
                                                    cudaStream_t stream) {
  char* from = nullptr;
  if (const cudaError_t error = symbol_source(variable, offset, bytes, kind, &from);
      error != cudaSuccess)
    return remember(error);
  return copy_async(to, from, bytes, kind, stream);
}

CUDART_EXPORT cudaError_t cudaMemcpyBatchAsync(void* const* to, const void* const* from,
                                               const size_t* sizes, size_t count,
                                               cudaMemcpyAttributes* attributes, size_t* indices,
                                               size_t attribute_count, cudaStream_t stream) {
  static_assert(sizeof(cudaMemcpyAttributes) == sizeof(CUmemcpyAttributes));
  return call(&Driver::MemcpyBatchAsync, to, from, sizes, count, attributes, indices,
              attribute_count, stream);
}

CUDART_EXPORT cudaError_t cudaMemset(void* address, int value, size_t bytes) {
  if (bytes == 0) return cudaSuccess;
  return call(&Driver::MemsetD8, address, value, bytes);
}
CUDART_EXPORT cudaError_t cudaMemsetAsync(void* address, int value, size_t bytes,
                                          cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  return call(&Driver::MemsetD8Async, address, value, bytes, stream);
}
CUDART_EXPORT cudaError_t cudaMemset2D(void* address, size_t pitch, int value, size_t width,
                                       size_t height) {
  if (width == 0 || height == 0) return cudaSuccess;
  return call(&Driver::MemsetD2D8, address, pitch, value, width, height);
}
CUDART_EXPORT cudaError_t cudaMemset2DAsync(void* address, size_t pitch, int value, size_t width,
                                            size_t height, cudaStream_t stream) {
  if (width == 0 || height == 0) return cudaSuccess;
  return call(&Driver::MemsetD2D8Async, address, pitch, value, width, height, stream);
}
CUDART_EXPORT cudaError_t cudaMemset3D(cudaPitchedPtr pointer, int value, cudaExtent extent) {
  for (size_t z = 0; z < extent.depth; ++z) {
    char* slice = static_cast<char*>(pointer.ptr) + z * pointer.pitch * pointer.ysize;
    const cudaError_t error =
        cudaMemset2D(slice, pointer.pitch, value, extent.width, extent.height);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}
CUDART_EXPORT cudaError_t cudaMemset3DAsync(cudaPitchedPtr pointer, int value, cudaExtent extent,
                                            cudaStream_t stream) {
  for (size_t z = 0; z < extent.depth; ++z) {
    char* slice = static_cast<char*>(pointer.ptr) + z * pointer.pitch * pointer.ysize;
    const cudaError_t error =
        cudaMemset2DAsync(slice, pointer.pitch, value, extent.width, extent.height, stream);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

CUDART_EXPORT cudaError_t cudaMallocAsync(void** out, size_t bytes, cudaStream_t stream) {
  return call(&Driver::MemAllocAsync, out, bytes, stream);
}
CUDART_EXPORT cudaError_t cudaMallocFromPoolAsync(void** out, size_t bytes, cudaMemPool_t pool,
                                                  cudaStream_t stream) {
  return call(&Driver::MemAllocFromPoolAsync, out, bytes, pool, stream);
}
CUDART_EXPORT cudaError_t cudaFreeAsync(void* address, cudaStream_t stream) {
  return call(&Driver::MemFreeAsync, address, stream);
}

CUDART_EXPORT cudaError_t cudaMemPrefetchAsync(const void* address, size_t bytes,
                                               cudaMemLocation location, unsigned flags,
                                               cudaStream_t stream) {
  static_assert(sizeof(cudaMemLocation) == sizeof(CUmemLocation));
  CUmemLocation where{};
  where.type = static_cast<CUmemLocationType>(location.type);
  where.id = location.id;
  return call(&Driver::MemPrefetchAsync, address, bytes, where, flags, stream);
}
