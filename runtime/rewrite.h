// SPDX-License-Identifier: Apache-2.0
// What a call is about to put into memory: the Manager looks in it for addresses of ranges.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>

namespace spillway {

// A box of bytes that becomes new at `to`. Strides are bytes from row to row and from layer to
// layer; one row needs none.
struct Rewrite {
  enum class Source : uint8_t {
    Host,  // `from` is host memory, by the call's own word
    Any,   // `from` may be host or device memory, or nothing at all
    Set,   // a value, or what cannot be seen: whatever was there is gone
  };
  Source source = Source::Set;
  uint64_t from = 0;
  CUdeviceptr to = 0;
  size_t width = 0, rows = 1, layers = 1;
  size_t from_pitch = 0, from_layer = 0, to_pitch = 0, to_layer = 0;

  template <class Visit>
  void for_each_row(Visit&& visit) const {
    for (size_t layer = 0; layer < layers; ++layer)
      for (size_t row = 0; row < rows; ++row)
        visit(from + layer * from_layer + row * from_pitch, to + layer * to_layer + row * to_pitch);
  }
};

}  // namespace spillway
