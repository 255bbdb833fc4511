// SPDX-License-Identifier: Apache-2.0
// Sharing with other processes by the legacy IPC calls: checked as on hardware, but refused.
// (Memory of cuMemCreate with a POSIX file descriptor can be shared: physical.cpp.)
#include "tests/sim/driver/api.h"
#include "tests/sim/driver/extents.h"

SIM_API cuIpcGetMemHandle(CUipcMemHandle* out, CUdeviceptr address) {
  SIM_ENTER_CONTEXT(cuIpcGetMemHandle, context);
  const auto found = sim::find(address);
  // VMM, pool and host memory cannot be shared this way at all.
  if (!out || !found || found->extent.kind != sim::Extent::Kind::Device) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_ERROR_NOT_SUPPORTED;
}

SIM_API cuMemGetHandleForAddressRange(void* out, CUdeviceptr address, size_t bytes,
                                      CUmemRangeHandleType type, unsigned long long flags) {
  SIM_ENTER_CONTEXT(cuMemGetHandleForAddressRange, context);
  if (!out || type != CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD || flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!sim::accessible(context->device, address, bytes, false)) return CUDA_ERROR_INVALID_VALUE;
  return CUDA_ERROR_NOT_SUPPORTED;  // DMA_BUF_SUPPORTED is 0
}
