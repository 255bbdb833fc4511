// SPDX-License-Identifier: Apache-2.0
// Moves that nobody waits for: what the policy proposes, begun by the mover as far as there is room
// and the lanes have place.
#pragma once

#include "runtime/foresight.h"
#include "runtime/room.h"

namespace spillway {

// Begins what may begin now. With the token.
void move_ahead(Engine& engine, Device& device, Held& held) noexcept;
// Departures that were proposed and have not begun; not of what is being brought in. With the
// token. True: some have now.
bool begin_departures(Engine& engine, Device& device, Held& held,
                      std::span<Range* const> keep) noexcept;

// After a launch: tells the policy, and the mover if there is something to do.
void tell_ahead(Engine& engine, Device& device, const Sighting& seen) noexcept;

// Lock-step: the mover does what it would have done by now had it run all the time. With the ledger
// held, and not the token.
void catch_up(Engine& engine, Device& device, Held& held) noexcept;

}  // namespace spillway
