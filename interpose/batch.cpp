// SPDX-License-Identifier: Apache-2.0
// One call, many copies.
#include "interpose/body.h"
#include "runtime/rewrites.h"

#if CUDA_VERSION >= 12060

namespace {

using spillway::Access;
using spillway::access_of;
using spillway::AccessList;
using spillway::Manager;
using spillway::StreamRef;

template <class Submit>
CUresult decompress(Manager* manager, const CUmemDecompressParams* list, size_t count,
                    StreamRef stream, Submit&& submit) {
  AccessList accesses;
  if (list == nullptr || count > SIZE_MAX / 3) return submit();
  if (!accesses.reserve(3 * count)) return CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < count; ++i) {
    accesses.add(access_of(reinterpret_cast<CUdeviceptr>(list[i].src), list[i].srcNumBytes));
    // How much comes out is a hint at most, so the whole range is taken.
    accesses.add({reinterpret_cast<CUdeviceptr>(list[i].dst), 0});
    accesses.add({reinterpret_cast<CUdeviceptr>(list[i].dstActBytes), sizeof(cuuint32_t)});
  }
  return manager->touch(accesses.span(), stream, submit);
}

}  // namespace

BODY_PTSZ(cuMemBatchDecompressAsync,
          (CUmemDecompressParams * list, size_t count, unsigned flags, size_t* error_index,
           CUstream stream),
          (list, count, flags, error_index, stream),
          decompress(manager, list, count, on(stream), submit))

#endif

#if CUDA_VERSION >= 12080

namespace {

using spillway::Rewrite;
using spillway::RewriteList;

template <class Submit>
CUresult copy_batch(Manager* manager, const CUdeviceptr* to, const CUdeviceptr* from,
                    const size_t* sizes, size_t count, StreamRef stream, Submit&& submit) {
  AccessList accesses;
  RewriteList rewrites;
  if (to == nullptr || from == nullptr || sizes == nullptr || count > SIZE_MAX / 2) return submit();
  if (!accesses.reserve(2 * count) || !rewrites.reserve(count)) return CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < count; ++i) {
    rewrites.add(spillway::rewrite_of(to[i], from[i], sizes[i], Rewrite::Source::Any));
    accesses.add(access_of(to[i], sizes[i]));
    accesses.add(access_of(from[i], sizes[i]));
  }
  return manager->rewrite(rewrites.span(), stream, [&]() noexcept {
    return manager->touch(accesses.span(), stream, submit);
  });
}

// Rows are counted in elements whose size only an array at the other end would tell, so all of the
// range is taken.
Access end_of(const CUmemcpy3DOperand& operand) {
  if (operand.type != CU_MEMCPY_OPERAND_TYPE_POINTER) return {};
  return {operand.op.ptr.ptr, 0};
}

// Between pointers an element is a byte.
Rewrite rewrite_of_box(const CUDA_MEMCPY3D_BATCH_OP& op) {
  if (op.dst.type != CU_MEMCPY_OPERAND_TYPE_POINTER) return {};
  const bool readable = op.src.type == CU_MEMCPY_OPERAND_TYPE_POINTER;
  const auto pitch = [&](const CUmemcpy3DOperand& end) {
    return end.op.ptr.rowLength != 0 ? end.op.ptr.rowLength : op.extent.width;
  };
  const auto layer = [&](const CUmemcpy3DOperand& end) {
    return pitch(end) * (end.op.ptr.layerHeight != 0 ? end.op.ptr.layerHeight : op.extent.height);
  };
  return {.source = readable ? Rewrite::Source::Any : Rewrite::Source::Set,
          .from = readable ? op.src.op.ptr.ptr : 0,
          .to = op.dst.op.ptr.ptr,
          .width = op.extent.width,
          .rows = op.extent.height,
          .layers = op.extent.depth,
          .from_pitch = readable ? pitch(op.src) : 0,
          .from_layer = readable ? layer(op.src) : 0,
          .to_pitch = pitch(op.dst),
          .to_layer = layer(op.dst)};
}

template <class Submit>
CUresult copy_boxes(Manager* manager, const CUDA_MEMCPY3D_BATCH_OP* list, size_t count,
                    StreamRef stream, Submit&& submit) {
  AccessList accesses;
  RewriteList rewrites;
  if (list == nullptr || count > SIZE_MAX / 2) return submit();
  if (!accesses.reserve(2 * count) || !rewrites.reserve(count)) return CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < count; ++i) {
    rewrites.add(rewrite_of_box(list[i]));
    accesses.add(end_of(list[i].src));
    accesses.add(end_of(list[i].dst));
  }
  return manager->rewrite(rewrites.span(), stream, [&]() noexcept {
    return manager->touch(accesses.span(), stream, submit);
  });
}

}  // namespace

BODY_PTSZ(cuMemcpyBatchAsync,
          (CUdeviceptr * to, CUdeviceptr* from, size_t* sizes, size_t count,
           CUmemcpyAttributes* attributes, size_t* indices, size_t kinds, size_t* fail,
           CUstream stream),
          (to, from, sizes, count, attributes, indices, kinds, fail, stream),
          copy_batch(manager, to, from, sizes, count, on(stream), submit))
BODY_PTSZ(cuMemcpy3DBatchAsync,
          (size_t count, CUDA_MEMCPY3D_BATCH_OP* list, size_t* fail, unsigned long long flags,
           CUstream stream),
          (count, list, fail, flags, stream), copy_boxes(manager, list, count, on(stream), submit))

#endif

#if CUDA_VERSION >= 13000

BODY_PTSZ(cuMemcpyBatchAsync_v2,
          (CUdeviceptr * to, CUdeviceptr* from, size_t* sizes, size_t count,
           CUmemcpyAttributes* attributes, size_t* indices, size_t kinds, CUstream stream),
          (to, from, sizes, count, attributes, indices, kinds, stream),
          copy_batch(manager, to, from, sizes, count, on(stream), submit))
BODY_PTSZ(cuMemcpy3DBatchAsync_v2,
          (size_t count, CUDA_MEMCPY3D_BATCH_OP* list, unsigned long long flags, CUstream stream),
          (count, list, flags, stream), copy_boxes(manager, list, count, on(stream), submit))

#endif
