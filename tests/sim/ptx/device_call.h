// SPDX-License-Identifier: Apache-2.0
// What device code may ask of whoever runs it: graph control, the grids around its own, what a
// texture handle means. A program without a driver leaves them out; a kernel that asks then traps.
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

// A texture or surface object, as an instruction needs it. Two dimensions at most.
struct Texture {
  enum class Kind { Unsigned, Signed, Float } kind = Kind::Float;
  enum class Edge { Wrap, Clamp, Mirror, Border };
  bool surface = false;
  uint64_t address = 0;              // of the first texel, on the device
  size_t width = 0, height = 1;      // texels
  size_t pitch = 0;                  // bytes
  unsigned bytes = 4, channels = 1;  // of a channel
  Edge edges[2] = {Edge::Clamp, Edge::Clamp};
  bool linear = false;             // interpolated
  bool normalized = false;         // coordinates are 0 to 1
  bool values_normalized = false;  // integers read as 0 to 1, or -1 to 1
};

struct DeviceCalls {
  // False: no such handle, or not one of this context.
  bool (*set_conditional)(uint64_t handle, uint32_t value) = nullptr;
  // 0, or the cudaError_t that the caller gets.
  uint32_t (*update_node)(uint64_t node, const NodeUpdate& update) = nullptr;
  bool (*texture)(uint64_t handle, Texture* out) = nullptr;
  // griddepcontrol, on the thread that runs the grid: every block has said that the next grid may
  // begin; the grids before this one are done (false: not yet).
  void (*launch_dependents)() = nullptr;
  bool (*dependency_done)() = nullptr;
};

void set_device_calls(const DeviceCalls& calls);  // before the first launch
const DeviceCalls& device_calls();

}  // namespace sim::ptx
