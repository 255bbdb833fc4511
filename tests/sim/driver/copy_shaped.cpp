// SPDX-License-Identifier: Apache-2.0
// Driver entry points of two- and three-dimensional copies.
#include "tests/sim/driver/array.h"
#include "tests/sim/driver/copy.h"
#include "tests/sim/driver/entry.h"

namespace sim {
namespace {

CUresult role_of(CUmemorytype type, Role* out) {
  switch (type) {
    case CU_MEMORYTYPE_HOST:
      *out = Role::Host;
      return CUDA_SUCCESS;
    case CU_MEMORYTYPE_DEVICE:
      *out = Role::Device;
      return CUDA_SUCCESS;
    case CU_MEMORYTYPE_UNIFIED:
      *out = Role::Any;
      return CUDA_SUCCESS;
    case CU_MEMORYTYPE_ARRAY:
      *out = Role::Device;
      return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

struct Place {
  uint64_t address;
  size_t pitch, slice;
};

CUresult in_array(CUarray handle, Place* out) {
  const auto array = find_array(handle);
  if (!array) return CUDA_ERROR_INVALID_HANDLE;
  *out = {array->address, array->pitch, array->height};
  return CUDA_SUCCESS;
}

// A pitch or height of 0 is accepted where there is only one row or slice.
CUresult read_side(const Place& place, size_t x, size_t y, size_t z, const CopyNode& node,
                   CopySide* side) {
  auto [address, pitch, slice] = place;
  if (!address) return CUDA_ERROR_INVALID_VALUE;
  const bool one_row = node.height == 1 && node.depth == 1 && !y && !z;
  const bool one_slice = node.depth == 1 && !z;
  if (!pitch && one_row) pitch = x + node.width;
  if (one_slice) slice = y + node.height;
  if (pitch < x + node.width || slice < y + node.height) return CUDA_ERROR_INVALID_VALUE;
  side->pitch = pitch;
  side->height = slice;
  side->address = address + (z * slice + y) * pitch + x;
  return CUDA_SUCCESS;
}

CUresult copy(const CUDA_MEMCPY3D& asked, CUstream handle, bool per_thread, CallForm form,
              CopyNode node = {}) {
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  if (const CUresult status = read_shape(asked, &node)) return status;
  return submit_copy(stream, std::move(node), form);
}

CUDA_MEMCPY3D as_3d(const CUDA_MEMCPY2D& p) {
  CUDA_MEMCPY3D q{};
  q.srcXInBytes = p.srcXInBytes, q.srcY = p.srcY, q.srcMemoryType = p.srcMemoryType;
  q.srcHost = p.srcHost, q.srcDevice = p.srcDevice, q.srcArray = p.srcArray,
  q.srcPitch = p.srcPitch;
  q.dstXInBytes = p.dstXInBytes, q.dstY = p.dstY, q.dstMemoryType = p.dstMemoryType;
  q.dstHost = p.dstHost, q.dstDevice = p.dstDevice, q.dstArray = p.dstArray,
  q.dstPitch = p.dstPitch;
  q.WidthInBytes = p.WidthInBytes, q.Height = p.Height, q.Depth = 1;
  return q;
}

CUDA_MEMCPY3D as_3d(const CUDA_MEMCPY3D_PEER& p) {
  CUDA_MEMCPY3D q{};
  q.srcXInBytes = p.srcXInBytes, q.srcY = p.srcY, q.srcZ = p.srcZ, q.srcLOD = p.srcLOD;
  q.srcMemoryType = p.srcMemoryType, q.srcHost = p.srcHost, q.srcDevice = p.srcDevice;
  q.srcArray = p.srcArray, q.srcPitch = p.srcPitch, q.srcHeight = p.srcHeight;
  q.dstXInBytes = p.dstXInBytes, q.dstY = p.dstY, q.dstZ = p.dstZ, q.dstLOD = p.dstLOD;
  q.dstMemoryType = p.dstMemoryType, q.dstHost = p.dstHost, q.dstDevice = p.dstDevice;
  q.dstArray = p.dstArray, q.dstPitch = p.dstPitch, q.dstHeight = p.dstHeight;
  q.WidthInBytes = p.WidthInBytes, q.Height = p.Height, q.Depth = p.Depth;
  return q;
}

CUresult copy_peer(const CUDA_MEMCPY3D_PEER* asked, CUstream stream, bool per_thread,
                   CallForm form) {
  if (!asked) return CUDA_ERROR_INVALID_VALUE;
  const Context* const from = find_context(asked->srcContext);
  const Context* const to = find_context(asked->dstContext);
  if (!from || !to) return CUDA_ERROR_INVALID_CONTEXT;
  if (const CUresult status = usable(from)) return status;
  if (const CUresult status = usable(to)) return status;
  CopyNode node;
  node.from.device = from->device;
  node.to.device = to->device;
  return copy(as_3d(*asked), stream, per_thread, form, std::move(node));
}

}  // namespace

CUresult read_shape(const CUDA_MEMCPY3D& asked, CopyNode* node) {
  if (asked.srcLOD || asked.dstLOD || asked.reserved0 || asked.reserved1) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Role from, to;
  if (const CUresult status = role_of(asked.srcMemoryType, &from)) return status;
  if (const CUresult status = role_of(asked.dstMemoryType, &to)) return status;
  node->asked = asked;
  node->width = asked.WidthInBytes, node->height = asked.Height, node->depth = asked.Depth;
  if (empty(*node)) return CUDA_SUCCESS;
  Place source{from == Role::Host ? reinterpret_cast<uint64_t>(asked.srcHost) : asked.srcDevice,
               asked.srcPitch, asked.srcHeight};
  Place target{to == Role::Host ? reinterpret_cast<uint64_t>(asked.dstHost) : asked.dstDevice,
               asked.dstPitch, asked.dstHeight};
  if (asked.srcMemoryType == CU_MEMORYTYPE_ARRAY) {
    if (const CUresult status = in_array(asked.srcArray, &source)) return status;
  }
  if (asked.dstMemoryType == CU_MEMORYTYPE_ARRAY) {
    if (const CUresult status = in_array(asked.dstArray, &target)) return status;
  }
  if (const CUresult status =
          read_side(source, asked.srcXInBytes, asked.srcY, asked.srcZ, *node, &node->from)) {
    return status;
  }
  if (const CUresult status =
          read_side(target, asked.dstXInBytes, asked.dstY, asked.dstZ, *node, &node->to)) {
    return status;
  }
  return check_copy(node, to, from);
}

SIM_TWIN(cuMemcpy2D_v2, _ptds, (const CUDA_MEMCPY2D* asked), (asked)) {
  if (!asked) return CUDA_ERROR_INVALID_VALUE;
  return copy(as_3d(*asked), nullptr, per_thread, CallForm::Synchronous);
}

SIM_TWIN(cuMemcpy2DUnaligned_v2, _ptds, (const CUDA_MEMCPY2D* asked), (asked)) {
  if (!asked) return CUDA_ERROR_INVALID_VALUE;
  return copy(as_3d(*asked), nullptr, per_thread, CallForm::Synchronous);
}

SIM_TWIN(cuMemcpy2DAsync_v2, _ptsz, (const CUDA_MEMCPY2D* asked, CUstream stream),
         (asked, stream)) {
  if (!asked) return CUDA_ERROR_INVALID_VALUE;
  return copy(as_3d(*asked), stream, per_thread, CallForm::Asynchronous);
}

SIM_TWIN(cuMemcpy3D_v2, _ptds, (const CUDA_MEMCPY3D* asked), (asked)) {
  if (!asked) return CUDA_ERROR_INVALID_VALUE;
  return copy(*asked, nullptr, per_thread, CallForm::Synchronous);
}

SIM_TWIN(cuMemcpy3DAsync_v2, _ptsz, (const CUDA_MEMCPY3D* asked, CUstream stream),
         (asked, stream)) {
  if (!asked) return CUDA_ERROR_INVALID_VALUE;
  return copy(*asked, stream, per_thread, CallForm::Asynchronous);
}

SIM_TWIN(cuMemcpy3DPeer, _ptds, (const CUDA_MEMCPY3D_PEER* asked), (asked)) {
  return copy_peer(asked, nullptr, per_thread, CallForm::Synchronous);
}

SIM_TWIN(cuMemcpy3DPeerAsync, _ptsz, (const CUDA_MEMCPY3D_PEER* asked, CUstream stream),
         (asked, stream)) {
  return copy_peer(asked, stream, per_thread, CallForm::Asynchronous);
}

}  // namespace sim
