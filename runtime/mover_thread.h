// SPDX-License-Identifier: Apache-2.0
// The thread of a device that moves memory: it serves those who need something brought in, in the
// order in which they came, and between them ends what is over and keeps a little room free. It is
// started when something has to move for the first time: a job that fits has no thread of ours.
//
// Lock-step (SPILLWAY_LOCKSTEP): it works only while a request waits for it. An event that is
// recorded by one thread and waited for by the other carries the simulated driver's virtual time
// there and back; whether something is over, that driver answers by virtual time too.
#pragma once

#include "runtime/engine.h"

namespace spillway {

// Work for the mover: called with the ledger held and the device's token.
struct Request {
  void (*call)(void* object, Held& held);
  void* object;
  Baton* baton = nullptr;                            // lock-step
  bool late = false;                                 // it needs none
  enum { Waiting, Done, Returned } state = Waiting;  // Returned: whoever asked does it himself
};

void ask_mover(Engine& engine, Device& device, Held& held, Request& request) noexcept;

// Has `work(Held&)` done on the device's mover thread and waits for its end; the ledger, which the
// caller holds, is released meanwhile. Where there can be no thread, it is done here.
template <class Work>
void as_mover(Engine& engine, Device& device, Held& held, Work&& work) noexcept {
  Request request{[](void* object, Held& mine) {
                    (*static_cast<std::remove_reference_t<Work>*>(object))(mine);
                  },
                  &work};
  ask_mover(engine, device, held, request);
}

// Lock-step: the same, at the mover's own time, which may lie behind the caller's.
template <class Work>
void ask_mover_late(Engine& engine, Device& device, Held& held, Work&& work) noexcept {
  Request request{[](void* object, Held& mine) {
                    (*static_cast<std::remove_reference_t<Work>*>(object))(mine);
                  },
                  &work};
  request.late = true;
  ask_mover(engine, device, held, request);
}

// Starts the thread if it is not there. With the ledger held. False: the system refuses.
bool start_mover(Engine& engine, const Held& held, Device& device) noexcept;
// The process exits: no mover touches the driver any more when this returns (or after a second).
void park_movers(Engine& engine) noexcept;

}  // namespace spillway
