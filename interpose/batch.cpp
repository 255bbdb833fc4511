// SPDX-License-Identifier: Apache-2.0
// One call, many copies.
#include "interpose/body.h"
#include "interpose/host_source.h"

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

template <class Submit>
CUresult copy_batch(Manager* manager, const CUdeviceptr* to, const CUdeviceptr* from,
                    const size_t* sizes, size_t count, StreamRef stream, Submit&& submit) {
  AccessList accesses;
  if (to == nullptr || from == nullptr || sizes == nullptr || count > SIZE_MAX / 2) return submit();
  if (!accesses.reserve(2 * count)) return CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < count; ++i) {
    spillway::scan_unknown(*manager, from[i], sizes[i]);
    accesses.add(access_of(to[i], sizes[i]));
    accesses.add(access_of(from[i], sizes[i]));
  }
  return manager->touch(accesses.span(), stream, submit);
}

// Rows are counted in elements whose size only an array at the other end would tell, so all of the
// range is taken.
Access end_of(const CUmemcpy3DOperand& operand) {
  if (operand.type != CU_MEMCPY_OPERAND_TYPE_POINTER) return {};
  return {operand.op.ptr.ptr, 0};
}

template <class Submit>
CUresult copy_boxes(Manager* manager, const CUDA_MEMCPY3D_BATCH_OP* list, size_t count,
                    StreamRef stream, Submit&& submit) {
  AccessList accesses;
  if (list == nullptr || count > SIZE_MAX / 2) return submit();
  if (!accesses.reserve(2 * count)) return CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < count; ++i) {
    accesses.add(end_of(list[i].src));
    accesses.add(end_of(list[i].dst));
  }
  return manager->touch(accesses.span(), stream, submit);
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
