// SPDX-License-Identifier: Apache-2.0
// Turns a SIGSEGV/SIGBUS inside a guarded piece of simulated device work into an answer.
// The handlers are installed on first use and chain to whatever was there before.
#pragma once

#include <cstdint>

namespace sim {

// Runs body(argument) on this thread. Returns true when it ended normally; false when it touched
// memory that is not mapped or not accessible, with the faulting host address in *address. The body
// must own nothing that needs a destructor: it is left by a long jump.
bool run_guarded(void (*body)(void*), void* argument, uint64_t* address);

// Ends the innermost run_guarded of this thread as if `address` had been touched.
[[noreturn]] void leave_guarded(uint64_t address);

}  // namespace sim
