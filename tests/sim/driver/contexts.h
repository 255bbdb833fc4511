// SPDX-License-Identifier: Apache-2.0
// Making and ending contexts: between the table (context.cpp) and the entry points
// (context_api.cpp, primary.cpp).
#pragma once

#include <vector>

#include "tests/sim/driver/context.h"

namespace sim {

Context* add_context(int device, bool primary, unsigned version);  // not open yet
void open_context(Context* context, unsigned flags);
void close_context(Context* context);    // work drained, everything in it gone
std::vector<Context*>& context_stack();  // of the calling thread

// Frees what the context allocated. Provided by the memory side.
void context_memory_closing(Context* context);

// The flags of cuCtxCreate, cuDevicePrimaryCtxSetFlags: known, and one scheduling flag at most.
bool valid_context_flags(unsigned flags);

}  // namespace sim
