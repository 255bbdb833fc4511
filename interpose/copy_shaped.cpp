// SPDX-License-Identifier: Apache-2.0
// Copies of rectangles and boxes.
#include "interpose/body.h"
#include "runtime/rewrites.h"

namespace {

using spillway::Ends;
using spillway::Manager;
using spillway::StreamRef;

template <class Copy, class Submit>
CUresult copy(Manager* manager, const Copy* shape, StreamRef stream, Submit&& submit) {
  if (shape == nullptr) return submit();  // the driver has an error for that
  const Ends ends = spillway::ends_of(*shape);
  const spillway::Rewrite rewrite = spillway::rewrite_of(ends);
  return manager->rewrite({&rewrite, ends.to_host ? size_t{0} : size_t{1}}, stream, [&]() noexcept {
    return manager->touch({ends.read(), ends.written()}, stream, submit);
  });
}

}  // namespace

BODY_PTDS(cuMemcpy2D_v2, (const CUDA_MEMCPY2D* shape), (shape),
          copy(manager, shape, on(nullptr), submit))
BODY_PTDS(cuMemcpy2DUnaligned_v2, (const CUDA_MEMCPY2D* shape), (shape),
          copy(manager, shape, on(nullptr), submit))
BODY_PTSZ(cuMemcpy2DAsync_v2, (const CUDA_MEMCPY2D* shape, CUstream stream), (shape, stream),
          copy(manager, shape, on(stream), submit))

BODY_PTDS(cuMemcpy3D_v2, (const CUDA_MEMCPY3D* shape), (shape),
          copy(manager, shape, on(nullptr), submit))
BODY_PTSZ(cuMemcpy3DAsync_v2, (const CUDA_MEMCPY3D* shape, CUstream stream), (shape, stream),
          copy(manager, shape, on(stream), submit))

BODY_PTDS(cuMemcpy3DPeer, (const CUDA_MEMCPY3D_PEER* shape), (shape),
          copy(manager, shape, on(nullptr), submit))
BODY_PTSZ(cuMemcpy3DPeerAsync, (const CUDA_MEMCPY3D_PEER* shape, CUstream stream), (shape, stream),
          copy(manager, shape, on(stream), submit))
