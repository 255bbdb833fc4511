// SPDX-License-Identifier: Apache-2.0
// Small words shared by the seam and the engine: what a call touches, and why a range is held
// still.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <iterator>
#include <string_view>

namespace spillway {

// How an application names a stream. per_thread: the call was a _ptsz/_ptds variant, in which a
// null handle means the calling thread's own default stream.
struct StreamRef {
  CUstream handle = nullptr;
  bool per_thread = false;
};

// `bytes` from `address` on are read or written; 0 bytes: the whole range it lies in. An address
// that is not ours is ignored.
struct Access {
  CUdeviceptr address = 0;
  size_t bytes = 0;
};

enum class PinReason {
  Exported,    // IPC, POSIX-FD, dma-buf, retained handle
  Registered,  // NCCL, RDMA, SYNC_MEMOPS
  Texture,     // texture or surface object over linear memory
  Graph,       // named by a memcpy, memset or batch node of an executable graph
  Hidden,      // its address was copied into device memory
  Waited,      // a stream waits on a value in it that somebody else writes
  Examined,    // a kernel had its address, and what it stored is not known yet
};
inline constexpr std::string_view kPinReasonNames[] = {
    "exported", "registered", "texture", "graph", "hidden address", "waited for", "examined"};
inline constexpr int kPinReasons = static_cast<int>(PinReason::Examined) + 1;
static_assert(std::size(kPinReasonNames) == kPinReasons);

}  // namespace spillway
