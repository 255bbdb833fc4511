// SPDX-License-Identifier: Apache-2.0
// cuMemGetHandleForAddressRange: a descriptor for the bytes behind an address range. Like a real
// dma-buf it names the memory, not the address: mapping something else there does not change it.
#include <fcntl.h>
#include <unistd.h>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/extents.h"
#include "tests/sim/driver/shared_file.h"
#include "tests/sim/driver/vmm.h"

namespace sim {
namespace {

// What stands behind the whole range. NOT_SUPPORTED: several pieces, which one memory file cannot
// show.
CUresult backing_of(CUdeviceptr address, size_t bytes, int* file, uint64_t* offset) {
  const auto found = find(address);
  if (!found) return CUDA_ERROR_INVALID_VALUE;
  const Extent& extent = found->extent;
  if (extent.type != CU_MEMORYTYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
  if (extent.kind != Extent::Kind::Device && extent.kind != Extent::Kind::Vmm) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Backing backing = found->backing;
  if (extent.kind == Extent::Kind::Vmm && !vmm_backing(address, &backing)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const uint64_t from = address - extent.base;
  if (bytes > round_up(extent.size, kPage) - from) {
    return accessible(extent.device, address, bytes, false) ? CUDA_ERROR_NOT_SUPPORTED
                                                            : CUDA_ERROR_INVALID_VALUE;
  }
  *file = backing.file;
  *offset = backing.offset + from;
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace sim

// The descriptor's own position is where the range begins in its file.
SIM_API cuMemGetHandleForAddressRange(void* out, CUdeviceptr address, size_t bytes,
                                      CUmemRangeHandleType type, unsigned long long flags) {
  SIM_ENTER_CONTEXT(cuMemGetHandleForAddressRange, context);
  if (!out || bytes == 0 || type != CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (flags == CU_MEM_RANGE_FLAG_DMA_BUF_MAPPING_TYPE_PCIE) return CUDA_ERROR_NOT_SUPPORTED;
  if (flags != 0 || address % sim::kPage != 0 || bytes % sim::kPage != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  int file = -1;
  uint64_t offset = 0;
  if (const CUresult status = sim::backing_of(address, bytes, &file, &offset)) return status;
  const int fresh = sim::open_file(sim::name_of(file));
  if (fresh < 0 || lseek(fresh, static_cast<off_t>(offset), SEEK_SET) < 0) {
    return CUDA_ERROR_OPERATING_SYSTEM;
  }
  *static_cast<int*>(out) = fresh;
  return CUDA_SUCCESS;
}
