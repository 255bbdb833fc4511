// SPDX-License-Identifier: Apache-2.0
// Addresses of ranges that an application puts into device memory, where no launch shows them:
// found in the sources of small host-to-device copies. Tables of pointers are small; data is not.
#pragma once

#include "interpose/shapes.h"
#include "runtime/manager.h"

namespace spillway {

inline constexpr size_t kScannedBytes = size_t{64} << 10;

// `source` is host memory, by the call's own word.
inline void scan_host(Manager& manager, const void* source, size_t bytes) {
  if (source != nullptr && bytes <= kScannedBytes) manager.scan_host_source(source, bytes);
}
void scan_host(Manager& manager, const void* base, const Box& box);

// `source` may be host or device memory, or nothing at all.
void scan_unknown(Manager& manager, CUdeviceptr source, size_t bytes) noexcept;

}  // namespace spillway
