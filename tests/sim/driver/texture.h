// SPDX-License-Identifier: Apache-2.0
// Texture and surface objects, as kernels find them.
#pragma once

#include <cstdint>

#include "tests/sim/ptx/device_call.h"

namespace sim {

struct Context;

// From device code: false for what is no object of the current context.
bool find_texture(uint64_t handle, ptx::Texture* out);
void forget_textures(const Context* context);

}  // namespace sim
