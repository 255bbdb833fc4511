// SPDX-License-Identifier: Apache-2.0
// The words of this folder, and its unit of memory.
//
//   range  : what one allocation call returned. Its address never changes while it lives.
//   piece  : a run of a range that moves as a whole. Small ranges are one piece.
//   chunk  : one physical device handle (cuMemCreate) that backs part of a piece on the device.
//   backup : host memory that holds a piece's bytes while it is not on the device.
//   arena  : the one address reservation in which every range lies.
//   use    : a launch or copy that names a range; it has a stream and a number (see completion.h).
// "page" is not used: CUDA, the OS and UVM each mean another thing by it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace spillway {

// What addresses, chunks and pieces are multiples of: the VMM granularity of every device seen so
// far (A100, H100, H200 and consumer cards; background: NVIDIA's minimum granularity is 2 MiB). The
// start-up check refuses a device that wants more.
inline constexpr uint64_t kGranuleShift = 21;
inline constexpr uint64_t kGranule = uint64_t{1} << kGranuleShift;

constexpr uint64_t round_up(uint64_t bytes, uint64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// The largest power of two that is <= value; value > 0.
constexpr uint64_t power_below(uint64_t value) {
  while (value & (value - 1)) value &= value - 1;
  return value;
}

}  // namespace spillway
