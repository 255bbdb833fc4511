// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/cudart/convert.h"

#include "tests/sim/cudart/array.h"
#include "tests/sim/cudart/registry.h"

namespace sim::cudart {
namespace {

CUdeviceptr address(const void* pointer) {
  return reinterpret_cast<CUdeviceptr>(pointer);
}

// One side of a 3D copy; the driver's struct has the same members twice, named src* and dst*.
struct Side {
  CUmemorytype type;
  CUarray array = nullptr;
  void* pointer = nullptr;
  size_t pitch = 0, height = 0;
  size_t x_bytes = 0;
};

cudaError_t describe(cudaArray_t array, const cudaPitchedPtr& pointer, size_t x, CUmemorytype type,
                     Side* side) {
  if ((array == nullptr) == (pointer.ptr == nullptr)) return cudaErrorInvalidValue;
  if (array == nullptr) {
    *side = {type, nullptr, pointer.ptr, pointer.pitch, pointer.ysize, x};
    return cudaSuccess;
  }
  size_t element = 0;
  if (const cudaError_t error = element_bytes(array, &element); error != cudaSuccess) return error;
  *side = {CU_MEMORYTYPE_ARRAY, reinterpret_cast<CUarray>(array), nullptr, 0, 0, x * element};
  return cudaSuccess;
}

template <class Copy>
void set_source(const Side& side, Copy* out) {
  out->srcMemoryType = side.type;
  out->srcArray = side.array;
  out->srcPitch = side.pitch;
  out->srcHeight = side.height;
  out->srcXInBytes = side.x_bytes;
  if (side.type == CU_MEMORYTYPE_HOST)
    out->srcHost = side.pointer;
  else
    out->srcDevice = address(side.pointer);
}

template <class Copy>
void set_destination(const Side& side, Copy* out) {
  out->dstMemoryType = side.type;
  out->dstArray = side.array;
  out->dstPitch = side.pitch;
  out->dstHeight = side.height;
  out->dstXInBytes = side.x_bytes;
  if (side.type == CU_MEMORYTYPE_HOST)
    out->dstHost = side.pointer;
  else
    out->dstDevice = address(side.pointer);
}

// What cudaMemcpy3DParms and cudaMemcpy3DPeerParms share.
template <class In, class Copy>
cudaError_t fill(const In& in, cudaMemcpyKind kind, Copy* out) {
  *out = {};
  if (!valid(kind)) return cudaErrorInvalidMemcpyDirection;
  Side source{}, destination{};
  cudaError_t error = describe(in.srcArray, in.srcPtr, in.srcPos.x, source_type(kind), &source);
  if (error == cudaSuccess)
    error = describe(in.dstArray, in.dstPtr, in.dstPos.x, destination_type(kind), &destination);
  if (error != cudaSuccess) return error;
  set_source(source, out);
  set_destination(destination, out);
  out->srcY = in.srcPos.y;
  out->srcZ = in.srcPos.z;
  out->dstY = in.dstPos.y;
  out->dstZ = in.dstPos.z;
  // The width counts elements of an array when one takes part, bytes otherwise.
  size_t element = 1;
  if (in.srcArray != nullptr || in.dstArray != nullptr)
    error = element_bytes(in.srcArray != nullptr ? in.srcArray : in.dstArray, &element);
  out->WidthInBytes = in.extent.width * element;
  out->Height = in.extent.height;
  out->Depth = in.extent.depth;
  return error;
}

}  // namespace

bool valid(cudaMemcpyKind kind) {
  return kind >= cudaMemcpyHostToHost && kind <= cudaMemcpyDefault;
}

CUmemorytype source_type(cudaMemcpyKind kind) {
  switch (kind) {
    case cudaMemcpyHostToHost:
    case cudaMemcpyHostToDevice:
      return CU_MEMORYTYPE_HOST;
    case cudaMemcpyDeviceToHost:
    case cudaMemcpyDeviceToDevice:
      return CU_MEMORYTYPE_DEVICE;
    case cudaMemcpyDefault:
      return CU_MEMORYTYPE_UNIFIED;
  }
  return CU_MEMORYTYPE_UNIFIED;
}

CUmemorytype destination_type(cudaMemcpyKind kind) {
  switch (kind) {
    case cudaMemcpyHostToHost:
    case cudaMemcpyDeviceToHost:
      return CU_MEMORYTYPE_HOST;
    case cudaMemcpyHostToDevice:
    case cudaMemcpyDeviceToDevice:
      return CU_MEMORYTYPE_DEVICE;
    case cudaMemcpyDefault:
      return CU_MEMORYTYPE_UNIFIED;
  }
  return CU_MEMORYTYPE_UNIFIED;
}

CUDA_MEMCPY3D flat_copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  CUDA_MEMCPY3D copy{};
  set_source({source_type(kind), nullptr, const_cast<void*>(from), bytes, 1, 0}, &copy);
  set_destination({destination_type(kind), nullptr, to, bytes, 1, 0}, &copy);
  copy.WidthInBytes = bytes;
  copy.Height = copy.Depth = 1;
  return copy;
}

cudaError_t to_driver(const cudaMemcpy3DParms& in, CUDA_MEMCPY3D* out) {
  return fill(in, in.kind, out);
}

cudaError_t to_driver(const cudaMemcpy3DPeerParms& in, CUDA_MEMCPY3D_PEER* out) {
  return fill(in, cudaMemcpyDeviceToDevice, out);
}

cudaMemcpy3DParms to_runtime(const CUDA_MEMCPY3D& in) {
  auto pointer = [](CUmemorytype type, const void* host, CUdeviceptr device, size_t pitch,
                    size_t height) {
    cudaPitchedPtr out{};
    if (type == CU_MEMORYTYPE_ARRAY) return out;
    out.ptr =
        type == CU_MEMORYTYPE_HOST ? const_cast<void*>(host) : reinterpret_cast<void*>(device);
    out.pitch = out.xsize = pitch;
    out.ysize = height;
    return out;
  };
  cudaMemcpy3DParms out{};
  size_t source_element = 1, destination_element = 1;
  out.srcArray = reinterpret_cast<cudaArray_t>(in.srcArray);
  out.dstArray = reinterpret_cast<cudaArray_t>(in.dstArray);
  if (in.srcMemoryType == CU_MEMORYTYPE_ARRAY) element_bytes(out.srcArray, &source_element);
  if (in.dstMemoryType == CU_MEMORYTYPE_ARRAY) element_bytes(out.dstArray, &destination_element);
  out.srcPtr = pointer(in.srcMemoryType, in.srcHost, in.srcDevice, in.srcPitch, in.srcHeight);
  out.dstPtr = pointer(in.dstMemoryType, in.dstHost, in.dstDevice, in.dstPitch, in.dstHeight);
  out.srcPos = {in.srcXInBytes / source_element, in.srcY, in.srcZ};
  out.dstPos = {in.dstXInBytes / destination_element, in.dstY, in.dstZ};
  const size_t element =
      in.srcMemoryType == CU_MEMORYTYPE_ARRAY ? source_element : destination_element;
  out.extent = {in.WidthInBytes / element, in.Height, in.Depth};
  const bool from_host = in.srcMemoryType == CU_MEMORYTYPE_HOST;
  const bool to_host = in.dstMemoryType == CU_MEMORYTYPE_HOST;
  if (in.srcMemoryType == CU_MEMORYTYPE_UNIFIED || in.dstMemoryType == CU_MEMORYTYPE_UNIFIED)
    out.kind = cudaMemcpyDefault;
  else if (from_host)
    out.kind = to_host ? cudaMemcpyHostToHost : cudaMemcpyHostToDevice;
  else
    out.kind = to_host ? cudaMemcpyDeviceToHost : cudaMemcpyDeviceToDevice;
  return out;
}

CUDA_MEMSET_NODE_PARAMS to_driver(const cudaMemsetParams& in) {
  return {address(in.dst), in.pitch, in.value, in.elementSize, in.width, in.height};
}

cudaMemsetParams to_runtime(const CUDA_MEMSET_NODE_PARAMS& in) {
  return {reinterpret_cast<void*>(in.dst), in.pitch, in.value, in.elementSize, in.width, in.height};
}

cudaError_t to_driver(const cudaKernelNodeParams& in, CUDA_KERNEL_NODE_PARAMS* out) {
  CUkernel kernel = nullptr;
  if (const cudaError_t error = find_kernel(in.func, &kernel); error != cudaSuccess) return error;
  *out = {};
  out->kern = kernel;  // func stays null, ctx too: the current one
  out->gridDimX = in.gridDim.x;
  out->gridDimY = in.gridDim.y;
  out->gridDimZ = in.gridDim.z;
  out->blockDimX = in.blockDim.x;
  out->blockDimY = in.blockDim.y;
  out->blockDimZ = in.blockDim.z;
  out->sharedMemBytes = in.sharedMemBytes;
  out->kernelParams = in.kernelParams;
  out->extra = in.extra;
  return cudaSuccess;
}

cudaKernelNodeParams to_runtime(const CUDA_KERNEL_NODE_PARAMS& in) {
  cudaKernelNodeParams out{};
  out.func = in.kern != nullptr ? host_function(in.kern)
                                : host_function(reinterpret_cast<CUkernel>(in.func));
  out.gridDim = dim3(in.gridDimX, in.gridDimY, in.gridDimZ);
  out.blockDim = dim3(in.blockDimX, in.blockDimY, in.blockDimZ);
  out.sharedMemBytes = in.sharedMemBytes;
  out.kernelParams = in.kernelParams;
  out.extra = in.extra;
  return out;
}

// Launch attributes have the same layout on both sides.
static_assert(sizeof(cudaLaunchAttribute) == sizeof(CUlaunchAttribute));

CUlaunchConfig to_driver(const cudaLaunchConfig_t& in) {
  CUlaunchConfig out{};
  out.gridDimX = in.gridDim.x;
  out.gridDimY = in.gridDim.y;
  out.gridDimZ = in.gridDim.z;
  out.blockDimX = in.blockDim.x;
  out.blockDimY = in.blockDim.y;
  out.blockDimZ = in.blockDim.z;
  out.sharedMemBytes = static_cast<unsigned>(in.dynamicSmemBytes);
  out.hStream = in.stream;
  out.attrs = reinterpret_cast<CUlaunchAttribute*>(in.attrs);
  out.numAttrs = in.numAttrs;
  return out;
}

}  // namespace sim::cudart
