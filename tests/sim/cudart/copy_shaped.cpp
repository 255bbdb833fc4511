// SPDX-License-Identifier: Apache-2.0
// 2D, 3D and array copies. Compiled for both kinds of default stream.
#include "tests/sim/cudart/array.h"
#include "tests/sim/cudart/call.h"
#include "tests/sim/cudart/convert.h"

namespace sim::cudart {
inline namespace SIM_STREAMS {
namespace {

struct Plane {  // one side of a 2D copy: an array or a pitched pointer
  cudaArray_const_t array = nullptr;
  const void* pointer = nullptr;
  size_t pitch = 0;
  size_t x = 0, y = 0;
};

cudaError_t describe(const Plane& to, const Plane& from, size_t width, size_t height,
                     cudaMemcpyKind kind, CUDA_MEMCPY2D* out) {
  if (!valid(kind)) return cudaErrorInvalidMemcpyDirection;
  if ((to.array == nullptr && height > 1 && width > to.pitch) ||
      (from.array == nullptr && height > 1 && width > from.pitch))
    return cudaErrorInvalidPitchValue;
  *out = {};
  out->srcMemoryType = from.array != nullptr ? CU_MEMORYTYPE_ARRAY : source_type(kind);
  out->srcArray = as<CUarray>(from.array);
  out->srcHost = from.pointer;
  out->srcDevice = as<CUdeviceptr>(from.pointer);
  out->srcPitch = from.pitch;
  out->srcXInBytes = from.x;
  out->srcY = from.y;
  out->dstMemoryType = to.array != nullptr ? CU_MEMORYTYPE_ARRAY : destination_type(kind);
  out->dstArray = as<CUarray>(to.array);
  out->dstHost = const_cast<void*>(to.pointer);
  out->dstDevice = as<CUdeviceptr>(to.pointer);
  out->dstPitch = to.pitch;
  out->dstXInBytes = to.x;
  out->dstY = to.y;
  out->WidthInBytes = width;
  out->Height = height;
  return cudaSuccess;
}

cudaError_t copy(const Plane& to, const Plane& from, size_t width, size_t height,
                 cudaMemcpyKind kind) {
  if (width == 0 || height == 0) return cudaSuccess;
  CUDA_MEMCPY2D copy;
  if (const cudaError_t error = describe(to, from, width, height, kind, &copy);
      error != cudaSuccess)
    return remember(error);
  return call(&Driver::Memcpy2DUnaligned, &copy);
}

cudaError_t copy(const Plane& to, const Plane& from, size_t width, size_t height,
                 cudaMemcpyKind kind, cudaStream_t stream) {
  if (width == 0 || height == 0) return cudaSuccess;
  CUDA_MEMCPY2D copy;
  if (const cudaError_t error = describe(to, from, width, height, kind, &copy);
      error != cudaSuccess)
    return remember(error);
  return call(&Driver::Memcpy2DAsync, &copy, stream);
}

// The old array copies run over row ends: a flat run of bytes in an array is up to three
// rectangles. Calls body(x, y, width, height, bytes done) for each.
template <class Body>
cudaError_t over_rows(cudaArray_const_t array, size_t x, size_t y, size_t bytes, Body&& body) {
  CUDA_ARRAY3D_DESCRIPTOR shape{};
  size_t element = 0;
  cudaError_t error = call(&Driver::Array3DGetDescriptor, &shape, array);
  if (error == cudaSuccess) error = element_bytes(array, &element);
  if (error != cudaSuccess) return remember(error);
  const size_t row = shape.Width * element;
  size_t done = 0;
  while (error == cudaSuccess && done < bytes) {
    const size_t left = bytes - done;
    const bool whole = x == 0 && left >= row;
    const size_t width = whole ? row : (left < row - x ? left : row - x);
    const size_t height = whole ? left / row : 1;
    error = body(x, y, width, height, done);
    done += width * height;
    y += height;
    x = 0;
  }
  return error;
}

bool empty(const cudaExtent& extent) {
  return extent.width == 0 || extent.height == 0 || extent.depth == 0;
}

}  // namespace
}  // namespace SIM_STREAMS
}  // namespace sim::cudart

using namespace sim::cudart;

CUDART_EXPORT cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from,
                                       size_t from_pitch, size_t width, size_t height,
                                       cudaMemcpyKind kind) {
  return copy({nullptr, to, to_pitch}, {nullptr, from, from_pitch}, width, height, kind);
}
CUDART_EXPORT cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from,
                                            size_t from_pitch, size_t width, size_t height,
                                            cudaMemcpyKind kind, cudaStream_t stream) {
  return copy({nullptr, to, to_pitch}, {nullptr, from, from_pitch}, width, height, kind, stream);
}
CUDART_EXPORT cudaError_t cudaMemcpy2DToArray(cudaArray_t to, size_t x, size_t y, const void* from,
                                              size_t pitch, size_t width, size_t height,
                                              cudaMemcpyKind kind) {
  return copy({to, nullptr, 0, x, y}, {nullptr, from, pitch}, width, height, kind);
}
CUDART_EXPORT cudaError_t cudaMemcpy2DToArrayAsync(cudaArray_t to, size_t x, size_t y,
                                                   const void* from, size_t pitch, size_t width,
                                                   size_t height, cudaMemcpyKind kind,
                                                   cudaStream_t stream) {
  return copy({to, nullptr, 0, x, y}, {nullptr, from, pitch}, width, height, kind, stream);
}
CUDART_EXPORT cudaError_t cudaMemcpy2DFromArray(void* to, size_t pitch, cudaArray_const_t from,
                                                size_t x, size_t y, size_t width, size_t height,
                                                cudaMemcpyKind kind) {
  return copy({nullptr, to, pitch}, {from, nullptr, 0, x, y}, width, height, kind);
}
CUDART_EXPORT cudaError_t cudaMemcpy2DFromArrayAsync(void* to, size_t pitch, cudaArray_const_t from,
                                                     size_t x, size_t y, size_t width,
                                                     size_t height, cudaMemcpyKind kind,
                                                     cudaStream_t stream) {
  return copy({nullptr, to, pitch}, {from, nullptr, 0, x, y}, width, height, kind, stream);
}
CUDART_EXPORT cudaError_t cudaMemcpy2DArrayToArray(cudaArray_t to, size_t to_x, size_t to_y,
                                                   cudaArray_const_t from, size_t from_x,
                                                   size_t from_y, size_t width, size_t height,
                                                   cudaMemcpyKind kind) {
  return copy({to, nullptr, 0, to_x, to_y}, {from, nullptr, 0, from_x, from_y}, width, height,
              kind);
}

CUDART_EXPORT cudaError_t cudaMemcpyToArray(cudaArray_t to, size_t x, size_t y, const void* from,
                                            size_t bytes, cudaMemcpyKind kind) {
  return over_rows(
      to, x, y, bytes, [&](size_t x, size_t y, size_t width, size_t height, size_t at) {
        return copy({to, nullptr, 0, x, y}, {nullptr, static_cast<const char*>(from) + at, width},
                    width, height, kind);
      });
}
CUDART_EXPORT cudaError_t cudaMemcpyToArrayAsync(cudaArray_t to, size_t x, size_t y,
                                                 const void* from, size_t bytes,
                                                 cudaMemcpyKind kind, cudaStream_t stream) {
  return over_rows(
      to, x, y, bytes, [&](size_t x, size_t y, size_t width, size_t height, size_t at) {
        return copy({to, nullptr, 0, x, y}, {nullptr, static_cast<const char*>(from) + at, width},
                    width, height, kind, stream);
      });
}
CUDART_EXPORT cudaError_t cudaMemcpyFromArray(void* to, cudaArray_const_t from, size_t x, size_t y,
                                              size_t bytes, cudaMemcpyKind kind) {
  return over_rows(from, x, y, bytes,
                   [&](size_t x, size_t y, size_t width, size_t height, size_t at) {
                     return copy({nullptr, static_cast<char*>(to) + at, width},
                                 {from, nullptr, 0, x, y}, width, height, kind);
                   });
}
CUDART_EXPORT cudaError_t cudaMemcpyFromArrayAsync(void* to, cudaArray_const_t from, size_t x,
                                                   size_t y, size_t bytes, cudaMemcpyKind kind,
                                                   cudaStream_t stream) {
  return over_rows(from, x, y, bytes,
                   [&](size_t x, size_t y, size_t width, size_t height, size_t at) {
                     return copy({nullptr, static_cast<char*>(to) + at, width},
                                 {from, nullptr, 0, x, y}, width, height, kind, stream);
                   });
}

CUDART_EXPORT cudaError_t cudaMemcpy3D(const cudaMemcpy3DParms* params) {
  CUDA_MEMCPY3D copy;
  if (params == nullptr) return remember(cudaErrorInvalidValue);
  if (empty(params->extent)) return cudaSuccess;
  if (const cudaError_t error = to_driver(*params, &copy); error != cudaSuccess)
    return remember(error);
  return call(&Driver::Memcpy3D, &copy);
}
CUDART_EXPORT cudaError_t cudaMemcpy3DAsync(const cudaMemcpy3DParms* params, cudaStream_t stream) {
  CUDA_MEMCPY3D copy;
  if (params == nullptr) return remember(cudaErrorInvalidValue);
  if (empty(params->extent)) return cudaSuccess;
  if (const cudaError_t error = to_driver(*params, &copy); error != cudaSuccess)
    return remember(error);
  return call(&Driver::Memcpy3DAsync, &copy, stream);
}

namespace {
cudaError_t peer_copy(const cudaMemcpy3DPeerParms* params, CUDA_MEMCPY3D_PEER* out) {
  if (params == nullptr) return cudaErrorInvalidValue;
  if (const cudaError_t error = need_context(); error != cudaSuccess) return error;
  const cudaError_t error = to_driver(*params, out);
  if (error != cudaSuccess) return error;
  return peer_contexts(params->dstDevice, params->srcDevice, &out->dstContext, &out->srcContext);
}
}  // namespace

CUDART_EXPORT cudaError_t cudaMemcpy3DPeer(const cudaMemcpy3DPeerParms* params) {
  CUDA_MEMCPY3D_PEER copy;
  if (const cudaError_t error = peer_copy(params, &copy); error != cudaSuccess)
    return remember(error);
  return empty(params->extent) ? cudaSuccess : call(&Driver::Memcpy3DPeer, &copy);
}
CUDART_EXPORT cudaError_t cudaMemcpy3DPeerAsync(const cudaMemcpy3DPeerParms* params,
                                                cudaStream_t stream) {
  CUDA_MEMCPY3D_PEER copy;
  if (const cudaError_t error = peer_copy(params, &copy); error != cudaSuccess)
    return remember(error);
  return empty(params->extent) ? cudaSuccess : call(&Driver::Memcpy3DPeerAsync, &copy, stream);
}
