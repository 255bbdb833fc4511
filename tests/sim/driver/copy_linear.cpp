// SPDX-License-Identifier: Apache-2.0
// Driver entry points of copies of one run of bytes.
#include "tests/sim/driver/copy.h"
#include "tests/sim/driver/entry.h"

namespace sim {
namespace {

CUresult copy(uint64_t to, Role to_role, uint64_t from, Role from_role, size_t bytes,
              CUstream handle, bool per_thread, CallForm form, int to_device = -1,
              int from_device = -1) {
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  if (!bytes) return CUDA_SUCCESS;
  CopyNode node;
  node.to.address = to;
  node.from.address = from;
  node.to.device = to_device;
  node.from.device = from_device;
  node.to.pitch = node.from.pitch = node.width = bytes;
  node.to.height = node.from.height = 1;
  if (const CUresult status = check_copy(&node, to_role, from_role)) return status;
  // The graph queries show a copy as CUDA_MEMCPY3D.
  node.asked.srcMemoryType = node.asked.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
  if (node.from.space != CopySide::Space::Device) {
    node.asked.srcMemoryType = CU_MEMORYTYPE_HOST;
    node.asked.srcHost = reinterpret_cast<const void*>(from);
  } else {
    node.asked.srcMemoryType = CU_MEMORYTYPE_DEVICE;
    node.asked.srcDevice = from;
  }
  if (node.to.space != CopySide::Space::Device) {
    node.asked.dstMemoryType = CU_MEMORYTYPE_HOST;
    node.asked.dstHost = reinterpret_cast<void*>(to);
  } else {
    node.asked.dstMemoryType = CU_MEMORYTYPE_DEVICE;
    node.asked.dstDevice = to;
  }
  node.asked.srcPitch = node.asked.dstPitch = node.asked.WidthInBytes = bytes;
  node.asked.srcHeight = node.asked.dstHeight = node.asked.Height = node.asked.Depth = 1;
  return submit_copy(stream, std::move(node), form);
}

uint64_t address(const void* host) {
  return reinterpret_cast<uint64_t>(host);
}

// A peer copy names the contexts of both sides; each side is reached as its own device reaches it.
CUresult check_peers(CUcontext to, CUcontext from) {
  for (const CUcontext handle : {to, from}) {
    Context* const context = find_context(handle);
    if (!context) return CUDA_ERROR_INVALID_CONTEXT;
    if (const CUresult status = usable(context)) return status;
  }
  return CUDA_SUCCESS;
}

int device_of(CUcontext context) {
  return find_context(context)->device;
}

}  // namespace

SIM_TWIN(cuMemcpyHtoD_v2, _ptds, (CUdeviceptr to, const void* from, size_t bytes),
         (to, from, bytes)) {
  return copy(to, Role::Device, address(from), Role::Host, bytes, nullptr, per_thread,
              CallForm::Synchronous);
}

SIM_TWIN(cuMemcpyDtoH_v2, _ptds, (void* to, CUdeviceptr from, size_t bytes), (to, from, bytes)) {
  return copy(address(to), Role::Host, from, Role::Device, bytes, nullptr, per_thread,
              CallForm::Synchronous);
}

SIM_TWIN(cuMemcpyDtoD_v2, _ptds, (CUdeviceptr to, CUdeviceptr from, size_t bytes),
         (to, from, bytes)) {
  return copy(to, Role::Device, from, Role::Device, bytes, nullptr, per_thread,
              CallForm::Synchronous);
}

SIM_TWIN(cuMemcpy, _ptds, (CUdeviceptr to, CUdeviceptr from, size_t bytes), (to, from, bytes)) {
  return copy(to, Role::Any, from, Role::Any, bytes, nullptr, per_thread, CallForm::Synchronous);
}

SIM_TWIN(cuMemcpyPeer, _ptds,
         (CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context,
          size_t bytes),
         (to, to_context, from, from_context, bytes)) {
  if (const CUresult status = check_peers(to_context, from_context)) return status;
  return copy(to, Role::Device, from, Role::Device, bytes, nullptr, per_thread,
              CallForm::Synchronous, device_of(to_context), device_of(from_context));
}

SIM_TWIN(cuMemcpyHtoDAsync_v2, _ptsz,
         (CUdeviceptr to, const void* from, size_t bytes, CUstream stream),
         (to, from, bytes, stream)) {
  return copy(to, Role::Device, address(from), Role::Host, bytes, stream, per_thread,
              CallForm::Asynchronous);
}

SIM_TWIN(cuMemcpyDtoHAsync_v2, _ptsz, (void* to, CUdeviceptr from, size_t bytes, CUstream stream),
         (to, from, bytes, stream)) {
  return copy(address(to), Role::Host, from, Role::Device, bytes, stream, per_thread,
              CallForm::Asynchronous);
}

SIM_TWIN(cuMemcpyDtoDAsync_v2, _ptsz,
         (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream),
         (to, from, bytes, stream)) {
  return copy(to, Role::Device, from, Role::Device, bytes, stream, per_thread,
              CallForm::Asynchronous);
}

SIM_TWIN(cuMemcpyAsync, _ptsz, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream),
         (to, from, bytes, stream)) {
  return copy(to, Role::Any, from, Role::Any, bytes, stream, per_thread, CallForm::Asynchronous);
}

SIM_TWIN(cuMemcpyPeerAsync, _ptsz,
         (CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context,
          size_t bytes, CUstream stream),
         (to, to_context, from, from_context, bytes, stream)) {
  if (const CUresult status = check_peers(to_context, from_context)) return status;
  return copy(to, Role::Device, from, Role::Device, bytes, stream, per_thread,
              CallForm::Asynchronous, device_of(to_context), device_of(from_context));
}

}  // namespace sim
