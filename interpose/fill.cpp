// SPDX-License-Identifier: Apache-2.0
// Fills, in elements of one, two or four bytes.
#include "interpose/body.h"
#include "interpose/shapes.h"

namespace {

using spillway::access_of;
using spillway::Box;

template <class Element>
spillway::Access rectangle(CUdeviceptr to, size_t pitch, size_t width, size_t height) {
  return access_of(to, Box{.width = width * sizeof(Element), .height = height, .pitch = pitch});
}

}  // namespace

#define FILL_BODIES(bits, Element)                                                                 \
  BODY_PTDS(cuMemsetD##bits##_v2, (CUdeviceptr to, Element value, size_t count),                   \
            (to, value, count),                                                                    \
            manager->touch({access_of(to, count * sizeof(Element))}, on(nullptr), submit))         \
  BODY_PTSZ(cuMemsetD##bits##Async,                                                                \
            (CUdeviceptr to, Element value, size_t count, CUstream stream),                        \
            (to, value, count, stream),                                                            \
            manager->touch({access_of(to, count * sizeof(Element))}, on(stream), submit))          \
  BODY_PTDS(cuMemsetD2D##bits##_v2,                                                                \
            (CUdeviceptr to, size_t pitch, Element value, size_t width, size_t height),            \
            (to, pitch, value, width, height),                                                     \
            manager->touch({rectangle<Element>(to, pitch, width, height)}, on(nullptr), submit))   \
  BODY_PTSZ(                                                                                       \
      cuMemsetD2D##bits##Async,                                                                    \
      (CUdeviceptr to, size_t pitch, Element value, size_t width, size_t height, CUstream stream), \
      (to, pitch, value, width, height, stream),                                                   \
      manager->touch({rectangle<Element>(to, pitch, width, height)}, on(stream), submit))

FILL_BODIES(8, unsigned char)
FILL_BODIES(16, unsigned short)
FILL_BODIES(32, unsigned)
