// SPDX-License-Identifier: Apache-2.0
#include "tests/random/execute.h"

namespace random_program {

size_t Executor::pitch_of(const Access& access, size_t pitch) const {
  return pitch == 0 && access.space == Space::Device ? buffers_[access.index].pitch : pitch;
}

void Executor::perform(Turn&, const Operation& operation, const Set& work) {
  const Calls& call = calls(operation);
  const CUstream on = stream(operation);
  const CUdeviceptr to = device(work.target);
  const size_t pitch = pitch_of(work.target, work.pitch);
  const auto value8 = static_cast<unsigned char>(work.value);
  const auto value16 = static_cast<unsigned short>(work.value);
  // Forms: size of element x one run or rows x ordered by a stream or by the call.
  const auto form = [&](auto one, auto one_async, auto two, auto two_async, auto value) {
    if (work.height == 1 && work.pitch == 0) {
      return work.async ? one_async(to, value, work.width, on) : one(to, value, work.width);
    }
    return work.async ? two_async(to, pitch, value, work.width, work.height, on)
                      : two(to, pitch, value, work.width, work.height);
  };
  CUresult result = CUDA_ERROR_UNKNOWN;
  switch (work.element) {
    case 1:
      result = form(call.set8, call.set8_async, call.set8_2d, call.set8_2d_async, value8);
      break;
    case 2:
      result = form(call.set16, call.set16_async, call.set16_2d, call.set16_2d_async, value16);
      break;
    case 4:
      result = form(call.set32, call.set32_async, call.set32_2d, call.set32_2d_async, work.value);
      break;
  }
  check(result, "cuMemset");
}

CUDA_MEMCPY2D Executor::rows(const Copy& copy) const {
  CUDA_MEMCPY2D rows{};
  if (copy.from.space == Space::Array) {
    rows.srcMemoryType = CU_MEMORYTYPE_ARRAY;
    rows.srcArray = arrays_[copy.from.index].array;
  } else if (copy.from.space == Space::Host) {
    rows.srcMemoryType = CU_MEMORYTYPE_HOST;
    rows.srcHost = host(copy.from);
  } else {
    rows.srcMemoryType = copy.unified ? CU_MEMORYTYPE_UNIFIED : CU_MEMORYTYPE_DEVICE;
    rows.srcDevice = device(copy.from);
  }
  if (copy.to.space == Space::Array) {
    rows.dstMemoryType = CU_MEMORYTYPE_ARRAY;
    rows.dstArray = arrays_[copy.to.index].array;
  } else if (copy.to.space == Space::Host) {
    rows.dstMemoryType = CU_MEMORYTYPE_HOST;
    rows.dstHost = host(copy.to);
  } else {
    rows.dstMemoryType = copy.unified ? CU_MEMORYTYPE_UNIFIED : CU_MEMORYTYPE_DEVICE;
    rows.dstDevice = device(copy.to);
  }
  rows.srcPitch = pitch_of(copy.from, copy.from_pitch);
  rows.dstPitch = pitch_of(copy.to, copy.to_pitch);
  rows.WidthInBytes = copy.width;
  rows.Height = copy.height;
  return rows;
}

CUDA_MEMCPY3D Executor::volume(const Copy& copy) const {
  const CUDA_MEMCPY2D slice = rows(copy);
  CUDA_MEMCPY3D volume{};
  volume.srcMemoryType = slice.srcMemoryType;
  volume.srcArray = slice.srcArray;
  volume.dstArray = slice.dstArray;
  volume.srcHost = slice.srcHost;
  volume.srcDevice = slice.srcDevice;
  volume.srcPitch = slice.srcPitch;
  volume.srcHeight = copy.from_rows;
  volume.dstMemoryType = slice.dstMemoryType;
  volume.dstHost = slice.dstHost;
  volume.dstDevice = slice.dstDevice;
  volume.dstPitch = slice.dstPitch;
  volume.dstHeight = copy.to_rows;
  volume.WidthInBytes = copy.width;
  volume.Height = copy.height;
  volume.Depth = copy.depth;
  return volume;
}

CUDA_MEMCPY3D_PEER Executor::peer_volume(const Copy& copy) const {
  const CUDA_MEMCPY3D volume = this->volume(copy);
  CUDA_MEMCPY3D_PEER peer{};
  peer.srcMemoryType = volume.srcMemoryType;
  peer.srcDevice = volume.srcDevice;
  peer.srcContext = context_of(copy.from);
  peer.srcPitch = volume.srcPitch;
  peer.srcHeight = volume.srcHeight;
  peer.dstMemoryType = volume.dstMemoryType;
  peer.dstDevice = volume.dstDevice;
  peer.dstContext = context_of(copy.to);
  peer.dstPitch = volume.dstPitch;
  peer.dstHeight = volume.dstHeight;
  peer.WidthInBytes = volume.WidthInBytes;
  peer.Height = volume.Height;
  peer.Depth = volume.Depth;
  return peer;
}

namespace {

// In three parts of different sizes, the last one first.
CUresult copy_batch(const Calls& call, CUdeviceptr to, CUdeviceptr from, size_t bytes,
                    CUstream on) {
  const size_t ends[] = {0, bytes / 5, bytes / 2, bytes};
  CUdeviceptr tos[3], froms[3];
  size_t sizes[3], first = 0;
  for (size_t i = 0; i < 3; ++i) {
    tos[2 - i] = to + ends[i];
    froms[2 - i] = from + ends[i];
    sizes[2 - i] = ends[i + 1] - ends[i];
  }
  CUmemcpyAttributes attributes{};
  attributes.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
#if CUDA_VERSION >= 13000
  return call.copy_batch(tos, froms, sizes, 3, &attributes, &first, 1, on);
#else
  size_t failed = 0;
  return call.copy_batch(tos, froms, sizes, 3, &attributes, &first, 1, &failed, on);
#endif
}

// Two boxes that have every second row each, and what is behind them as one row.
CUresult copy_boxes(const Calls& call, CUdeviceptr to, CUdeviceptr from, size_t bytes,
                    CUstream on) {
  const size_t row = bytes / 16, boxes = 8 * row;
  CUDA_MEMCPY3D_BATCH_OP operations[3]{};
  const auto place = [](CUmemcpy3DOperand* operand, CUdeviceptr address, size_t pitch) {
    operand->type = CU_MEMCPY_OPERAND_TYPE_POINTER;
    operand->op.ptr.ptr = address;
    operand->op.ptr.rowLength = pitch;  // 0: there is nothing between rows, nor between layers
    operand->op.ptr.layerHeight = pitch == 0 ? 0 : 2;
  };
  for (size_t i = 0; i < 3; ++i) {
    const size_t offset = i < 2 ? i * row : boxes, pitch = i < 2 ? 2 * row : 0;
    operations[i].srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
    operations[i].extent = {i < 2 ? row : bytes - boxes, i < 2 ? 2u : 1u, i < 2 ? 2u : 1u};
    place(&operations[i].dst, to + offset, pitch);
    place(&operations[i].src, from + offset, pitch);
  }
#if CUDA_VERSION >= 13000
  return call.copy_boxes(3, operations, 0, on);
#else
  size_t failed = 0;
  return call.copy_boxes(3, operations, &failed, 0, on);
#endif
}

}  // namespace

void Executor::perform(Turn&, const Operation& operation, const Copy& work) {
  const Calls& call = calls(operation);
  const CUstream on = stream(operation);
  const bool from_host = work.from.space == Space::Host;
  const bool to_host = work.to.space == Space::Host;
  const size_t bytes = work.width;
  const auto address = [&](const Access& access) -> CUdeviceptr {
    switch (access.space) {
      case Space::Device:
        return device(access);
      case Space::Host:
        return reinterpret_cast<CUdeviceptr>(host(access));
      case Space::Array:
        break;
    }
    return 0;
  };
  const CUdeviceptr to = address(work.to), from = address(work.from);
  switch (work.form) {
    case CopyForm::Plain:
      if (from_host) {
        return check(work.async ? call.htod_async(to, host(work.from), bytes, on)
                                : call.htod(to, host(work.from), bytes),
                     "cuMemcpyHtoD");
      }
      if (to_host) {
        return check(work.async ? call.dtoh_async(host(work.to), from, bytes, on)
                                : call.dtoh(host(work.to), from, bytes),
                     "cuMemcpyDtoH");
      }
      return check(work.async ? call.dtod_async(to, from, bytes, on) : call.dtod(to, from, bytes),
                   "cuMemcpyDtoD");
    case CopyForm::Generic:
      return check(work.async ? call.copy_async(to, from, bytes, on) : call.copy(to, from, bytes),
                   "cuMemcpy");
    case CopyForm::Peer:
      return check(
          work.async
              ? call.peer_async(to, context_of(work.to), from, context_of(work.from), bytes, on)
              : call.peer(to, context_of(work.to), from, context_of(work.from), bytes),
          "cuMemcpyPeer");
    case CopyForm::Rows: {
      const CUDA_MEMCPY2D rows = this->rows(work);
      return check(work.async ? call.copy_2d_async(&rows, on) : call.copy_2d(&rows), "cuMemcpy2D");
    }
    case CopyForm::RowsUnaligned: {
      const CUDA_MEMCPY2D rows = this->rows(work);
      return check(call.copy_2d_unaligned(&rows), "cuMemcpy2DUnaligned");
    }
    case CopyForm::Volume: {
      const CUDA_MEMCPY3D volume = this->volume(work);
      return check(work.async ? call.copy_3d_async(&volume, on) : call.copy_3d(&volume),
                   "cuMemcpy3D");
    }
    case CopyForm::VolumePeer: {
      const CUDA_MEMCPY3D_PEER volume = peer_volume(work);
      return check(work.async ? call.peer_3d_async(&volume, on) : call.peer_3d(&volume),
                   "cuMemcpy3DPeer");
    }
    case CopyForm::Batch:
      return check(copy_batch(call, to, from, bytes, on), "cuMemcpyBatchAsync");
    case CopyForm::BatchOfBoxes:
      return check(copy_boxes(call, to, from, bytes, on), "cuMemcpy3DBatchAsync");
  }
}

}  // namespace random_program
