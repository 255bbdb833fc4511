// SPDX-License-Identifier: Apache-2.0
// Which device may access which context's memory: what cuCtxEnablePeerAccess says. It concerns
// cuMemAlloc and module variables; mappings and pools have their own access calls.
#pragma once

#include "tests/sim/driver/window.h"

namespace sim {

struct Context;

// True for a device and itself; for two, unless SIMCUDA_PEERS=0.
bool peers_possible(int device, int other);

// Peer relations stay as they are while it lives. Not recursive.
class PeerLock {
 public:
  PeerLock();
  ~PeerLock();
  PeerLock(const PeerLock&) = delete;
  PeerLock& operator=(const PeerLock&) = delete;
};

// Of memory that this context allocates, with a PeerLock held: its own device and enabled peers.
Rights peer_rights(const Context& owner);

// The context's relations, both ways, end with it.
void peer_context_closing(const Context& context);

}  // namespace sim
