// SPDX-License-Identifier: Apache-2.0
// What a tensor map says, as the driver here encodes it and bulk copies read it. Nobody else knows
// the order, but that the first 8 bytes are the global address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sim::ptx {

inline constexpr unsigned kTensorDimensions = 5;

struct TensorMap {
  uint64_t address;
  uint8_t type, rank, interleave, swizzle, l2, fill, im2col;
  uint8_t steps[kTensorDimensions];
  uint32_t dims_less_one[kTensorDimensions];
  uint32_t strides_by_16[kTensorDimensions - 1];
  uint32_t box[kTensorDimensions];  // tiled; channels and pixels of im2col
  int8_t lower[kTensorDimensions - 2], upper[kTensorDimensions - 2];
  uint8_t element;  // bytes
  uint32_t seal;    // of everything but the address: 128 bytes of something else have another
};
static_assert(sizeof(TensorMap) == 88);  // no padding before the seal

inline uint32_t seal_of(const TensorMap& map) {
  constexpr size_t kFrom = offsetof(TensorMap, type), kTo = offsetof(TensorMap, seal);
  unsigned char bytes[sizeof map];
  std::memcpy(bytes, &map, sizeof map);
  uint32_t hash = 2166136261u;
  for (size_t i = kFrom; i < kTo; ++i) hash = (hash ^ bytes[i]) * 16777619u;
  return hash;
}

}  // namespace sim::ptx
