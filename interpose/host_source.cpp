// SPDX-License-Identifier: Apache-2.0
#include "interpose/host_source.h"

#include <sys/uio.h>
#include <unistd.h>

#include "interpose/routes.h"

namespace spillway {

void scan_host(Manager& manager, const void* base, const Box& box) {
  if (base == nullptr || box.width == 0 || box.width > kScannedBytes) return;
  if (box.height > kScannedBytes / box.width / std::max<size_t>(box.depth, 1)) return;
  const auto* bytes = static_cast<const std::byte*>(base);
  for (size_t z = 0; z < box.depth; ++z) {
    for (size_t y = 0; y < box.height; ++y) {
      const size_t row = (box.z + z) * box.layer_height + box.y + y;
      manager.scan_host_source(bytes + row * box.pitch + box.x, box.width);
    }
  }
}

void scan_unknown(Manager& manager, CUdeviceptr source, size_t bytes) noexcept {
  if (source == 0 || bytes > kScannedBytes || manager.serves(source)) return;
  const Routes* known = routes();
  if (known == nullptr || known->driver.cuPointerGetAttribute == nullptr) return;
  CUmemorytype type{};
  const CUresult result =
      known->driver.cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, source);
  if (result == CUDA_SUCCESS && type != CU_MEMORYTYPE_HOST) return;
  // Pageable memory is unknown to the driver, and so is an address that means nothing; the kernel
  // tells them apart without a fault. Word-aligned parts, so that no pointer is cut in two.
  alignas(8) std::byte part[4096];
  for (size_t done = 0; done < bytes; done += sizeof part) {
    const size_t size = std::min(sizeof part, bytes - done);
    const iovec to{part, size};
    const iovec from{reinterpret_cast<void*>(source + done), size};
    if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != static_cast<ssize_t>(size)) return;
    manager.scan_host_source(part, size);
  }
}

}  // namespace spillway
