// SPDX-License-Identifier: Apache-2.0
// Peer access between contexts, enforced: enabling shows the peer's memory to the device, disabling
// takes it away at once, under running kernels too.
#include "tests/sim/driver/peer.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/extents.h"
#include "tests/sim/driver/settings.h"

namespace sim {
namespace {

struct Relation {  // a closing context takes its relations along, so pointers will do
  const Context* from;
  const Context* to;
  bool operator==(const Relation&) const = default;
};

struct Peers {
  std::mutex mutex;
  std::vector<Relation> enabled;

  // By any context of the device: it is the device that has page tables.
  bool any(int device, const Context* to) const {
    return std::any_of(enabled.begin(), enabled.end(), [&](const Relation& one) {
      return one.from->device == device && one.to == to;
    });
  }
};

Peers& peers() {
  static auto* all = new Peers;
  return *all;
}

CUresult peer_of(const Context* context, CUcontext handle, Context** out) {
  *out = find_context(handle);
  if (!*out || !(*out)->alive || *out == context) return CUDA_ERROR_INVALID_CONTEXT;
  return (*out)->device != context->device && peers_possible(context->device, (*out)->device)
             ? CUDA_SUCCESS
             : CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
}

// What the owner has allocated is, or is no longer, the device's.
void apply(const Context* owner, int device, Access access) {
  change_all([&](Allocation& allocation) {
    if (allocation.owner != owner || allocation.rights.of(device) == access) return;
    const Extent& extent = allocation.extent;
    if (access == Access::None) {
      hide(device, extent.base, allocation.backing.bytes);
    } else if (!show(device, extent.base, allocation.backing, extent.size, access)) {
      return;
    }
    allocation.rights.set(device, access);
  });
}

void revoke(const Relation& relation) {
  const int device = relation.from->device;
  if (!peers().any(device, relation.to)) apply(relation.to, device, Access::None);
}

}  // namespace

bool peers_possible(int device, int other) {
  return device == other || settings().peers != 0;
}

PeerLock::PeerLock() {
  peers().mutex.lock();
}

PeerLock::~PeerLock() {
  peers().mutex.unlock();
}

Rights peer_rights(const Context& owner) {
  Rights rights;
  rights.set(owner.device, Access::ReadWrite);
  for (const Relation& one : peers().enabled) {
    if (one.to == &owner) rights.set(one.from->device, Access::ReadWrite);
  }
  return rights;
}

void peer_context_closing(const Context& context) {
  std::lock_guard lock(peers().mutex);
  const auto own = [&](const Relation& one) { return one.from == &context || one.to == &context; };
  std::vector<Relation> gone;
  std::copy_if(peers().enabled.begin(), peers().enabled.end(), std::back_inserter(gone), own);
  std::erase_if(peers().enabled, own);
  for (const Relation& one : gone) revoke(one);
}

}  // namespace sim

SIM_API cuCtxEnablePeerAccess(CUcontext handle, unsigned flags) {
  SIM_ENTER_CONTEXT(cuCtxEnablePeerAccess, context);
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  sim::Context* peer = nullptr;
  if (const CUresult status = sim::peer_of(context, handle, &peer); status != CUDA_SUCCESS) {
    return status;
  }
  std::lock_guard lock(sim::peers().mutex);
  const sim::Relation wanted{context, peer};
  auto& enabled = sim::peers().enabled;
  if (std::find(enabled.begin(), enabled.end(), wanted) != enabled.end()) {
    return CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
  }
  enabled.push_back(wanted);
  sim::apply(peer, context->device, sim::Access::ReadWrite);
  return CUDA_SUCCESS;
}

SIM_API cuCtxDisablePeerAccess(CUcontext handle) {
  SIM_ENTER_CONTEXT(cuCtxDisablePeerAccess, context);
  sim::Context* peer = nullptr;
  if (sim::peer_of(context, handle, &peer) == CUDA_ERROR_INVALID_CONTEXT) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  std::lock_guard lock(sim::peers().mutex);
  const sim::Relation unwanted{context, peer};
  if (std::erase(sim::peers().enabled, unwanted) == 0) return CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
  sim::revoke(unwanted);
  return CUDA_SUCCESS;
}
