// SPDX-License-Identifier: Apache-2.0
// Fills, in elements of one, two or four bytes.
#include "interpose/body.h"
#include "runtime/rewrites.h"

namespace {

using spillway::Box;
using spillway::Manager;
using spillway::StreamRef;

template <class Submit>
CUresult fill(Manager* manager, CUdeviceptr to, size_t pitch, size_t width, size_t height,
              StreamRef stream, Submit&& submit) {
  const Box box{.width = width, .height = height, .pitch = pitch};
  spillway::Ends ends;
  ends.to = to;
  ends.to_box = box;
  const spillway::Rewrite rewrite = spillway::rewrite_of(ends);
  return manager->rewrite({&rewrite, 1}, stream, [&]() noexcept {
    return manager->touch({spillway::access_of(to, box)}, stream, submit);
  });
}

}  // namespace

#define FILL_BODIES(bits, Element)                                                                 \
  BODY_PTDS(cuMemsetD##bits##_v2, (CUdeviceptr to, Element value, size_t count),                   \
            (to, value, count),                                                                    \
            fill(manager, to, 0, count * sizeof(Element), 1, on(nullptr), submit))                 \
  BODY_PTSZ(cuMemsetD##bits##Async,                                                                \
            (CUdeviceptr to, Element value, size_t count, CUstream stream),                        \
            (to, value, count, stream),                                                            \
            fill(manager, to, 0, count * sizeof(Element), 1, on(stream), submit))                  \
  BODY_PTDS(cuMemsetD2D##bits##_v2,                                                                \
            (CUdeviceptr to, size_t pitch, Element value, size_t width, size_t height),            \
            (to, pitch, value, width, height),                                                     \
            fill(manager, to, pitch, width * sizeof(Element), height, on(nullptr), submit))        \
  BODY_PTSZ(                                                                                       \
      cuMemsetD2D##bits##Async,                                                                    \
      (CUdeviceptr to, size_t pitch, Element value, size_t width, size_t height, CUstream stream), \
      (to, pitch, value, width, height, stream),                                                   \
      fill(manager, to, pitch, width * sizeof(Element), height, on(stream), submit))

FILL_BODIES(8, unsigned char)
FILL_BODIES(16, unsigned short)
FILL_BODIES(32, unsigned)
