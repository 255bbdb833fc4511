// SPDX-License-Identifier: Apache-2.0
// From a copy's or a set's arguments to what the Manager is told of the bytes that it puts into
// memory.
#pragma once

#include "runtime/rewrite.h"
#include "runtime/shaped.h"

namespace spillway {

inline Rewrite rewrite_of(CUdeviceptr to, CUdeviceptr from, size_t bytes, Rewrite::Source source) {
  return {.source = source, .from = from, .to = to, .width = bytes};
}

// More rows than that are no copy that any driver makes.
inline constexpr size_t kMostRows = size_t{1} << 24;

inline Rewrite rewrite_of(const Ends& ends) {
  const Box &from = ends.from_box, &to = ends.to_box;
  const size_t rows = to.height, layers = to.depth;
  if (ends.to == 0 || (layers != 0 && rows > kMostRows / layers)) return {};
  return {.source = ends.from_host ? Rewrite::Source::Host
                    : ends.from    ? Rewrite::Source::Any
                                   : Rewrite::Source::Set,  // an array
          .from = ends.from != 0 ? ends.read().address : 0,
          .to = ends.written().address,
          .width = to.width,
          .rows = rows,
          .layers = layers,
          .from_pitch = from.pitch,
          .from_layer = from.pitch * from.layer_height,
          .to_pitch = to.pitch,
          .to_layer = to.pitch * to.layer_height};
}

using RewriteList = List<Rewrite>;

}  // namespace spillway
