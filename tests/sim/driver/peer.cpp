// SPDX-License-Identifier: Apache-2.0
// Peer access between contexts. Kept as a relation and answered for; not enforced on kernels, which
// reach the memory of every device (README.md).
#include <mutex>
#include <set>
#include <utility>

#include "tests/sim/driver/api.h"

namespace sim {
namespace {

struct Peers {
  std::mutex mutex;
  // (from, to) by context id: ids are never reused, so a destroyed context leaves nothing behind.
  std::set<std::pair<uint64_t, uint64_t>> enabled;
};

Peers& peers() {
  static auto* all = new Peers;
  return *all;
}

CUresult peer_of(const Context* context, CUcontext handle, Context** out) {
  *out = find_context(handle);
  if (!*out || !(*out)->alive) return CUDA_ERROR_INVALID_CONTEXT;
  return (*out)->device == context->device ? CUDA_ERROR_INVALID_CONTEXT : CUDA_SUCCESS;
}

}  // namespace
}  // namespace sim

SIM_API cuCtxEnablePeerAccess(CUcontext handle, unsigned flags) {
  SIM_ENTER_CONTEXT(cuCtxEnablePeerAccess, context);
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  sim::Context* peer = nullptr;
  if (const CUresult status = sim::peer_of(context, handle, &peer); status != CUDA_SUCCESS) {
    return status;
  }
  std::lock_guard lock(sim::peers().mutex);
  const bool fresh = sim::peers().enabled.emplace(context->id, peer->id).second;
  return fresh ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
}

SIM_API cuCtxDisablePeerAccess(CUcontext handle) {
  SIM_ENTER_CONTEXT(cuCtxDisablePeerAccess, context);
  sim::Context* peer = nullptr;
  if (const CUresult status = sim::peer_of(context, handle, &peer); status != CUDA_SUCCESS) {
    return status;
  }
  std::lock_guard lock(sim::peers().mutex);
  const bool was = sim::peers().enabled.erase({context->id, peer->id}) != 0;
  return was ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
}
