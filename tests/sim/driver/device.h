// SPDX-License-Identifier: Apache-2.0
// The simulated devices: how many, and what they say of themselves.
#pragma once

#include <cuda.h>

#include <cstddef>

namespace sim {

int device_count();
inline bool valid_device(int device) {
  return device >= 0 && device < device_count();
}
size_t device_capacity();  // bytes, the same for each
// The device a location-less query means: that of the current context. INVALID_CONTEXT without one.
CUresult current_device(int* out);

}  // namespace sim
