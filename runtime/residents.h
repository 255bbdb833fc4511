// SPDX-License-Identifier: Apache-2.0
// Making ranges usable: who must come in, who must leave for it, and what happens when that is not
// enough (in place; or, copy-only, an honest out-of-memory).
#pragma once

#include <span>
#include <vector>

#include "runtime/engine.h"
#include "runtime/manager.h"

namespace spillway {

enum class Need {
  Device,  // a kernel will use it: fetch what fits
  Stable,  // a copy or set will: where it is will do, if it is mapped
  Fixed,   // it must be on the device, or the call fails (something will look at its memory)
};

// Makes the ranges usable and pins them until unpin(): none of their pieces leaves in between.
// What still arrives is put into `arrivals`: the user's stream must wait for it (wait_for); where
// that is null, the host waits here. OUT_OF_MEMORY: a piece had to be on the device and nothing
// could make room; nothing is pinned then. The ranges may have died in the meantime; what is not
// live is left out (removed from the set).
using Arrivals = std::vector<CUevent>;
CUresult acquire(Engine& engine, std::vector<Range*>& ranges, Need need, Cause cause,
                 Arrivals* arrivals = nullptr) noexcept;
// Makes the stream wait on the GPU for copies that arrive; or, where it will not, the host.
void wait_for(Engine& engine, StreamRef stream, const Arrivals& arrivals) noexcept;
// Runs `submit` with the ranges on the device, as far as that can be; where they only stay usable
// on the host, it runs all the same. OUT_OF_MEMORY: they are not usable at all.
CUresult with_fixed(Engine& engine, std::vector<Range*>& ranges, const Submission& submit) noexcept;
void unpin(Engine& engine, std::span<Range* const> ranges) noexcept;

// Puts memory behind the pieces of a new range, on the device if it can be had, and makes it Live.
// OUT_OF_MEMORY: neither device nor host had room; the pieces are unbacked again.
CUresult back_range(Engine& engine, Device& device, Range& range) noexcept;

// The driver has no memory for a request past us: frees about this much device memory of ours,
// which nobody here takes again before ChunkPool::ask_again(). False: there was nothing to free.
bool relieve(Engine& engine, Device& device, uint64_t bytes) noexcept;

// What the application hears when there is no room: OUT_OF_MEMORY, and once until memory is freed
// again a log line of what filled what; or what broke its context. With the ledger held.
CUresult exhausted(Engine& engine, Device& device, const char* what, uint64_t bytes) noexcept;

// Takes everything away from ranges of a context that is about to end; the work in it is over.
void drop_context(Engine& engine, CUcontext context) noexcept;

}  // namespace spillway
