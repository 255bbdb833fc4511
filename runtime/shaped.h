// SPDX-License-Identifier: Apache-2.0
// The two ends of the driver's descriptions of shaped copies.
#pragma once

#include "runtime/shapes.h"

namespace spillway {

// An end in an array has no address: 0.
struct Ends {
  CUdeviceptr from = 0, to = 0;
  Box from_box, to_box;
  bool from_host = false, to_host = false;  // by the description's own word

  Access read() const { return from != 0 ? access_of(from, from_box) : Access{}; }
  Access written() const { return to != 0 ? access_of(to, to_box) : Access{}; }
};

inline CUdeviceptr end_address(CUmemorytype type, const void* host, CUdeviceptr device) {
  switch (type) {
    case CU_MEMORYTYPE_HOST:
      return reinterpret_cast<CUdeviceptr>(host);
    case CU_MEMORYTYPE_DEVICE:
    case CU_MEMORYTYPE_UNIFIED:
      return device;
    case CU_MEMORYTYPE_ARRAY:
      return 0;
  }
  return 0;  // not a memory type: the driver refuses the copy
}

template <class Copy>
Ends ends_of(const Copy& copy) {
  constexpr bool kLayers = requires {
    copy.Depth;
  };
  Ends ends;
  ends.from = end_address(copy.srcMemoryType, copy.srcHost, copy.srcDevice);
  ends.to = end_address(copy.dstMemoryType, copy.dstHost, copy.dstDevice);
  ends.from_host = copy.srcMemoryType == CU_MEMORYTYPE_HOST;
  ends.to_host = copy.dstMemoryType == CU_MEMORYTYPE_HOST;
  ends.from_box = {.x = copy.srcXInBytes,
                   .y = copy.srcY,
                   .width = copy.WidthInBytes,
                   .height = copy.Height,
                   .pitch = copy.srcPitch};
  ends.to_box = {.x = copy.dstXInBytes,
                 .y = copy.dstY,
                 .width = copy.WidthInBytes,
                 .height = copy.Height,
                 .pitch = copy.dstPitch};
  if constexpr (kLayers) {
    ends.from_box.z = copy.srcZ;
    ends.from_box.depth = copy.Depth;
    ends.from_box.layer_height = copy.srcHeight;
    ends.to_box.z = copy.dstZ;
    ends.to_box.depth = copy.Depth;
    ends.to_box.layer_height = copy.dstHeight;
  }
  return ends;
}

}  // namespace spillway
