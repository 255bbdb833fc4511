// SPDX-License-Identifier: Apache-2.0
// SPILLWAY_LIMIT_FILE: a device limit that somebody changes while the job runs.
#pragma once

#include "runtime/engine.h"

namespace spillway {

// Reads the file; true when it says another limit than before, which then holds. What cannot be
// read or understood changes nothing; the latter is said once. With the device's token.
bool refresh_limit(Engine& engine, Device& device) noexcept;

}  // namespace spillway
