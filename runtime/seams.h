// SPDX-License-Identifier: Apache-2.0
// Where new ranges get their addresses, so that little is lost to rounding: weights of a GPT with
// 1280 channels lose 6 % to whole granules, which at a footprint of 1.25 budgets is a quarter more
// bytes to move.
#pragma once

#include "runtime/engine.h"

namespace spillway {

// A new range object with an address and unbacked pieces; not yet live. Null: no address space.
Range* new_range(Engine& engine, const Held& held, Device& device, CUcontext context,
                 uint64_t bytes) noexcept;
// The range has no address any more. Its pieces, and those of its own seams, are Unbacked.
void retire(Engine& engine, const Held& held, Range& range) noexcept;

// The seam's second side is free. With the ledger.
void offer_seam(Device& device, Range& seam) noexcept;
void withdraw_seam(Device& device, Range& seam) noexcept;

}  // namespace spillway
