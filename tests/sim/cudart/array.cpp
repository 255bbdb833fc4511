// SPDX-License-Identifier: Apache-2.0
// CUDA arrays and mipmapped arrays.
#include "tests/sim/cudart/array.h"

#include "tests/sim/cudart/call.h"

namespace sim::cudart {
namespace {

struct Format {
  cudaChannelFormatKind kind;
  int bits;
  CUarray_format format;
};
constexpr Format kFormats[] = {
    {cudaChannelFormatKindUnsigned, 8, CU_AD_FORMAT_UNSIGNED_INT8},
    {cudaChannelFormatKindUnsigned, 16, CU_AD_FORMAT_UNSIGNED_INT16},
    {cudaChannelFormatKindUnsigned, 32, CU_AD_FORMAT_UNSIGNED_INT32},
    {cudaChannelFormatKindSigned, 8, CU_AD_FORMAT_SIGNED_INT8},
    {cudaChannelFormatKindSigned, 16, CU_AD_FORMAT_SIGNED_INT16},
    {cudaChannelFormatKindSigned, 32, CU_AD_FORMAT_SIGNED_INT32},
    {cudaChannelFormatKindFloat, 16, CU_AD_FORMAT_HALF},
    {cudaChannelFormatKindFloat, 32, CU_AD_FORMAT_FLOAT},
};

const Format* find(CUarray_format format) {
  for (const Format& row : kFormats)
    if (row.format == format) return &row;
  return nullptr;
}

// One, two or four channels of one width.
cudaError_t to_driver(const cudaChannelFormatDesc& in, CUarray_format* format, unsigned* channels) {
  const int bits[] = {in.x, in.y, in.z, in.w};
  unsigned count = 0;
  while (count < 4 && bits[count] != 0) ++count;
  for (unsigned i = 0; i < 4; ++i)
    if (bits[i] != (i < count ? in.x : 0)) return cudaErrorInvalidChannelDescriptor;
  if (count == 0 || count == 3) return cudaErrorInvalidChannelDescriptor;
  for (const Format& row : kFormats) {
    if (row.kind != in.f || row.bits != in.x) continue;
    *format = row.format;
    *channels = count;
    return cudaSuccess;
  }
  return cudaErrorInvalidChannelDescriptor;
}

cudaChannelFormatDesc to_runtime(CUarray_format format, unsigned channels) {
  cudaChannelFormatDesc out{};
  const Format* row = find(format);
  if (row == nullptr) return out;
  out.f = row->kind;
  out.x = row->bits;
  out.y = channels > 1 ? row->bits : 0;
  out.z = out.w = channels > 2 ? row->bits : 0;
  return out;
}

cudaError_t shape(const cudaChannelFormatDesc* channel, cudaExtent extent, unsigned flags,
                  CUDA_ARRAY3D_DESCRIPTOR* out) {
  *out = {};
  if (channel == nullptr) return cudaErrorInvalidValue;
  out->Width = extent.width;
  out->Height = extent.height;
  out->Depth = extent.depth;
  out->Flags = flags;
  return to_driver(*channel, &out->Format, &out->NumChannels);
}

}  // namespace

cudaError_t element_bytes(cudaArray_const_t array, size_t* bytes) {
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  const CUresult result = invoke(&Driver::Array3DGetDescriptor, &descriptor, array);
  if (result != CUDA_SUCCESS) return translate(result);
  const Format* row = find(descriptor.Format);
  if (row == nullptr) return cudaErrorInvalidChannelDescriptor;
  *bytes = row->bits / 8u * descriptor.NumChannels;
  return cudaSuccess;
}

}  // namespace sim::cudart

using namespace sim::cudart;

CUDART_EXPORT cudaChannelFormatDesc cudaCreateChannelDesc(int x, int y, int z, int w,
                                                          cudaChannelFormatKind kind) {
  return {x, y, z, w, kind};
}

CUDART_EXPORT cudaError_t cudaMalloc3DArray(cudaArray_t* out, const cudaChannelFormatDesc* channel,
                                            cudaExtent extent, unsigned flags) {
  CUDA_ARRAY3D_DESCRIPTOR descriptor;
  if (const cudaError_t error = shape(channel, extent, flags, &descriptor); error != cudaSuccess)
    return remember(error);
  return call(&Driver::Array3DCreate, out, &descriptor);
}
CUDART_EXPORT cudaError_t cudaMallocArray(cudaArray_t* out, const cudaChannelFormatDesc* channel,
                                          size_t width, size_t height, unsigned flags) {
  return cudaMalloc3DArray(out, channel, {width, height, 0}, flags);
}
CUDART_EXPORT cudaError_t cudaFreeArray(cudaArray_t array) {
  if (array == nullptr) return remember(need_context());
  return call(&Driver::ArrayDestroy, array);
}
CUDART_EXPORT cudaError_t cudaArrayGetInfo(cudaChannelFormatDesc* channel, cudaExtent* extent,
                                           unsigned* flags, cudaArray_t array) {
  CUDA_ARRAY3D_DESCRIPTOR descriptor{};
  const cudaError_t error = call(&Driver::Array3DGetDescriptor, &descriptor, array);
  if (error != cudaSuccess) return error;
  if (channel != nullptr) *channel = to_runtime(descriptor.Format, descriptor.NumChannels);
  if (extent != nullptr) *extent = {descriptor.Width, descriptor.Height, descriptor.Depth};
  if (flags != nullptr) *flags = descriptor.Flags;
  return cudaSuccess;
}
CUDART_EXPORT cudaError_t cudaGetChannelDesc(cudaChannelFormatDesc* channel,
                                             cudaArray_const_t array) {
  if (channel == nullptr) return remember(cudaErrorInvalidValue);
  return cudaArrayGetInfo(channel, nullptr, nullptr, const_cast<cudaArray_t>(array));
}
CUDART_EXPORT cudaError_t cudaArrayGetPlane(cudaArray_t* plane, cudaArray_t array, unsigned index) {
  return call(&Driver::ArrayGetPlane, plane, array, index);
}

CUDART_EXPORT cudaError_t cudaMallocMipmappedArray(cudaMipmappedArray_t* out,
                                                   const cudaChannelFormatDesc* channel,
                                                   cudaExtent extent, unsigned levels,
                                                   unsigned flags) {
  CUDA_ARRAY3D_DESCRIPTOR descriptor;
  if (const cudaError_t error = shape(channel, extent, flags, &descriptor); error != cudaSuccess)
    return remember(error);
  return call(&Driver::MipmappedArrayCreate, out, &descriptor, levels);
}
CUDART_EXPORT cudaError_t cudaGetMipmappedArrayLevel(cudaArray_t* level,
                                                     cudaMipmappedArray_const_t array,
                                                     unsigned index) {
  return call(&Driver::MipmappedArrayGetLevel, level, array, index);
}
CUDART_EXPORT cudaError_t cudaFreeMipmappedArray(cudaMipmappedArray_t array) {
  if (array == nullptr) return remember(need_context());
  return call(&Driver::MipmappedArrayDestroy, array);
}
