// SPDX-License-Identifier: Apache-2.0
// The real dlsym, for our own use. Ours is in dlsym.S.
#pragma once

// What other libraries find as dlsym when this one is in front.
extern "C" char spillway_dlsym __attribute__((visibility("hidden")));

namespace spillway {

// Null when the symbol is not there. Finds the real function first if nobody has yet.
void* real_dlsym(void* handle, const char* name) noexcept;

}  // namespace spillway
