// SPDX-License-Identifier: Apache-2.0
// The kinds of host memory that the link is measured with, behind one shape.
#pragma once

#include <memory>
#include <optional>

#include "tests/gpu/gpu.h"

namespace probe {

enum class HostKind { VmmNuma, Vmm, HostAlloc, Registered, Pageable };
inline constexpr HostKind kHostKinds[] = {HostKind::VmmNuma, HostKind::Vmm, HostKind::HostAlloc,
                                          HostKind::Registered, HostKind::Pageable};
const char* name_of(HostKind kind);

class HostBuffer {
 public:
  // Empty when this machine lacks the kind.
  static std::unique_ptr<HostBuffer> make(const Gpu& gpu, HostKind kind, size_t bytes);
  ~HostBuffer();
  // What cuMemcpyAsync takes; for pageable memory the host's own address.
  CUdeviceptr copy_address() const { return copy_address_; }
  // What a kernel may use; 0: none.
  CUdeviceptr kernel_address() const { return kernel_address_; }

 private:
  HostBuffer() = default;
  CUdeviceptr copy_address_ = 0, kernel_address_ = 0;
  size_t bytes_ = 0;
  std::unique_ptr<Chunk> chunk_;
  std::unique_ptr<Range> range_;
  std::unique_ptr<HostMemory> pinned_;
  void* pages_ = nullptr;  // of mmap
  bool registered_ = false;
};

}  // namespace probe
