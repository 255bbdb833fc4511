// SPDX-License-Identifier: Apache-2.0
// Copies: what an address means, what is checked at call time and again when the copy runs, and
// which calls the host waits for.
#pragma once

#include "tests/sim/driver/node.h"

namespace sim {

// What a call declares an address to be. Any: the address tells.
enum class Role { Host, Device, Any };

// The device of the current context; 0 without one.
int current_device_or_first();
// Fills space and on_host for [side.address, + bytes). INVALID_VALUE: not memory of that role.
CUresult classify(CopySide* side, size_t bytes, bool write, Role role);
// Bytes from the first to the last of a shape.
size_t span_bytes(const CopySide& side, size_t width, size_t height, size_t depth);
// Both sides, and the engine.
CUresult check_copy(CopyNode* node, Role to, Role from);
// The application's descriptor. Empty copies have no bytes.
CUresult read_shape(const CUDA_MEMCPY3D& asked, CopyNode* node);
inline bool empty(const CopyNode& node) {
  return !node.width || !node.height || !node.depth;
}

enum class CallForm { Synchronous, Asynchronous };
// Runs a checked copy as the call form demands.
CUresult submit_copy(Stream* stream, CopyNode node, CallForm form);
// Reads a source of ordinary host memory now, so that the caller may reuse it.
CUresult stage(CopyNode* node);

}  // namespace sim
