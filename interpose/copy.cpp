// SPDX-License-Identifier: Apache-2.0
// Copies in one dimension, and to and from arrays. Addresses are unified, so that a "host" address
// may be a range as well: both ends are named, and the Manager ignores what is not its own.
#include "interpose/body.h"
#include "runtime/rewrites.h"

namespace {

using spillway::access_of;
using spillway::Manager;
using spillway::StreamRef;
using Source = spillway::Rewrite::Source;

CUdeviceptr address_of(const void* host) {
  return reinterpret_cast<CUdeviceptr>(host);
}

template <class Submit>
CUresult copy(Manager* manager, CUdeviceptr to, CUdeviceptr from, size_t bytes, StreamRef stream,
              Source source, Submit&& submit) {
  const spillway::Rewrite rewrite = spillway::rewrite_of(to, from, bytes, source);
  return manager->rewrite({&rewrite, 1}, stream, [&]() noexcept {
    return manager->touch({access_of(to, bytes), access_of(from, bytes)}, stream, submit);
  });
}

// Between two addresses that do not say which device they are on.
template <class Submit>
CUresult copy_across(Manager* manager, CUdeviceptr to, CUdeviceptr from, size_t bytes,
                     StreamRef stream, bool async, Submit&& submit) {
  Manager::Ends ends;
  if (!manager->out_of_reach(to, from, &ends))
    return copy(manager, to, from, bytes, stream, Source::Any, submit);
  return copy(manager, to, from, bytes, stream, Source::Any, [=]() noexcept {
    using spillway::real;
    using spillway::Row;
    if (async) {
      const auto driver = real<decltype(&::cuMemcpyPeerAsync)>(
          stream.per_thread ? Row::cuMemcpyPeerAsync_ptsz : Row::cuMemcpyPeerAsync);
      return driver(to, ends.to, from, ends.from, bytes, stream.handle);
    }
    const auto driver = real<decltype(&::cuMemcpyPeer)>(stream.per_thread ? Row::cuMemcpyPeer_ptds
                                                                          : Row::cuMemcpyPeer);
    return driver(to, ends.to, from, ends.from, bytes);
  });
}

template <class Submit>
CUresult download(Manager* manager, const void* to, CUdeviceptr from, size_t bytes,
                  StreamRef stream, Submit&& submit) {
  return manager->touch({access_of(address_of(to), bytes), access_of(from, bytes)}, stream, submit);
}

template <class Submit>
CUresult from_array(Manager* manager, CUdeviceptr to, size_t bytes, StreamRef stream,
                    Submit&& submit) {
  const spillway::Rewrite rewrite = spillway::rewrite_of(to, 0, bytes, Source::Set);
  return manager->rewrite({&rewrite, 1}, stream, [&]() noexcept {
    return manager->touch({access_of(to, bytes)}, stream, submit);
  });
}

}  // namespace

BODY_PTDS(cuMemcpyHtoD_v2, (CUdeviceptr to, const void* from, size_t bytes), (to, from, bytes),
          copy(manager, to, address_of(from), bytes, on(nullptr), Source::Host, submit))
BODY_PTSZ(cuMemcpyHtoDAsync_v2, (CUdeviceptr to, const void* from, size_t bytes, CUstream stream),
          (to, from, bytes, stream),
          copy(manager, to, address_of(from), bytes, on(stream), Source::Host, submit))

BODY_PTDS(cuMemcpyDtoH_v2, (void* to, CUdeviceptr from, size_t bytes), (to, from, bytes),
          download(manager, to, from, bytes, on(nullptr), submit))
BODY_PTSZ(cuMemcpyDtoHAsync_v2, (void* to, CUdeviceptr from, size_t bytes, CUstream stream),
          (to, from, bytes, stream), download(manager, to, from, bytes, on(stream), submit))

BODY_PTDS(cuMemcpyDtoD_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes), (to, from, bytes),
          copy_across(manager, to, from, bytes, on(nullptr), false, submit))
BODY_PTSZ(cuMemcpyDtoDAsync_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream),
          (to, from, bytes, stream),
          copy_across(manager, to, from, bytes, on(stream), true, submit))

BODY_PTDS(cuMemcpy, (CUdeviceptr to, CUdeviceptr from, size_t bytes), (to, from, bytes),
          copy_across(manager, to, from, bytes, on(nullptr), false, submit))
BODY_PTSZ(cuMemcpyAsync, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream),
          (to, from, bytes, stream),
          copy_across(manager, to, from, bytes, on(stream), true, submit))

BODY_PTDS(cuMemcpyPeer,
          (CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context,
           size_t bytes),
          (to, to_context, from, from_context, bytes),
          copy(manager, to, from, bytes, on(nullptr), Source::Any, submit))
BODY_PTSZ(cuMemcpyPeerAsync,
          (CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context,
           size_t bytes, CUstream stream),
          (to, to_context, from, from_context, bytes, stream),
          copy(manager, to, from, bytes, on(stream), Source::Any, submit))

BODY_PTDS(cuMemcpyAtoD_v2, (CUdeviceptr to, CUarray from, size_t offset, size_t bytes),
          (to, from, offset, bytes), from_array(manager, to, bytes, on(nullptr), submit))
BODY_PTDS(cuMemcpyDtoA_v2, (CUarray to, size_t offset, CUdeviceptr from, size_t bytes),
          (to, offset, from, bytes), manager->touch({access_of(from, bytes)}, on(nullptr), submit))
