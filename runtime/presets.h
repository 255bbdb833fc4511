// SPDX-License-Identifier: Apache-2.0
// Tells frameworks to allocate per tensor, before they read their environment. Called by the
// library's constructor and by `spillway run`; runtime/presets.def is the list.
#pragma once

#include <span>
#include <string_view>

namespace spillway {

struct Preset {
  std::string_view group;
  const char* variable;
  const char* value;
  std::string_view why;
};
std::span<const Preset> presets();

// Sets what the user left open, unless SPILLWAY_ENABLE or SPILLWAY_PRESETS is off. Prints nothing,
// starts nothing, and may run before main(): it needs no state of ours and no option but those two.
void apply_presets() noexcept;

}  // namespace spillway
