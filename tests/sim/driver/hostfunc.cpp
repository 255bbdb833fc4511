// SPDX-License-Identifier: Apache-2.0
// Host functions and stream callbacks: run by a worker, in stream order.
#include "tests/sim/driver/context.h"
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/node.h"
#include "tests/sim/driver/profile.h"

namespace sim {

Work host_work(const HostNode& node) {
  Work work;
  work.name = "host function";
  work.run = [node] {
    node.function(node.data);
    return Done{};
  };
  return work;
}

SIM_TWIN(cuLaunchHostFunc, _ptsz, (CUstream handle, CUhostFn function, void* data),
         (handle, function, data)) {
  if (!function) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  host_cost_ns(profile().launch_ns);
  return submit(stream, HostNode{function, data});
}

// Deprecated, and different: called after an error too, with the error; no capture.
SIM_TWIN(cuStreamAddCallback, _ptsz,
         (CUstream stream_handle, CUstreamCallback function, void* data, unsigned flags),
         (stream_handle, function, data, flags)) {
  if (!function || flags) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(stream_handle, per_thread, &stream)) return status;
  host_cost_ns(profile().launch_ns);
  Work work;
  work.name = "stream callback";
  work.after_error = true;
  work.run = [stream_handle, function, data, owner = stream->context] {
    function(stream_handle, owner->sticky, data);
    return Done{};
  };
  return enqueue(stream, std::move(work));
}

}  // namespace sim
