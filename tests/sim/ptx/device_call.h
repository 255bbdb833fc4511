// SPDX-License-Identifier: Apache-2.0
// What device code may ask of whoever runs it: the calls of device-side graph control. A program
// without a driver leaves them out; a kernel that makes such a call then traps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/sim/ptx/ptx.h"

namespace sim::ptx {

// One change to a device-updatable kernel node.
struct NodeUpdate {
  enum class Kind { Grid, Parameter, Enabled } kind = Kind::Enabled;
  Dim grid;
  size_t offset = 0;  // of the parameter bytes
  const void* value = nullptr;
  size_t size = 0;
  bool enabled = true;
};

struct DeviceCalls {
  // False: no such handle, or not one of this context.
  bool (*set_conditional)(uint64_t handle, uint32_t value) = nullptr;
  // 0, or the cudaError_t that the caller gets.
  uint32_t (*update_node)(uint64_t node, const NodeUpdate& update) = nullptr;
};

void set_device_calls(const DeviceCalls& calls);  // before the first launch

}  // namespace sim::ptx
