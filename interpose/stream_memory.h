// SPDX-License-Identifier: Apache-2.0
// What a batch of stream memory operations writes, and what it waits for.
#pragma once

#include "interpose/shapes.h"
#include "runtime/manager.h"

namespace spillway {

// Adds what is written to `written`; pins what is waited for. OUT_OF_MEMORY when it cannot.
CUresult read_memory_operations(Manager& manager, const CUstreamBatchMemOpParams* list,
                                size_t count, AccessList& written) noexcept;

}  // namespace spillway
