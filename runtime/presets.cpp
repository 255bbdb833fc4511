// SPDX-License-Identifier: Apache-2.0
#include "runtime/presets.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "runtime/config.h"

namespace spillway {
namespace {

constexpr auto kPresets = std::to_array<Preset>({
#define PRESET(group, variable, value, why) {group, variable, value, why},
#include "runtime/presets.def"
#undef PRESET
});

bool switched_off(std::string_view variable) noexcept {
  const char* text = find_variable(environ, variable);
  bool on = true;
  return text != nullptr && parse(text, on) && !on;
}

}  // namespace

std::span<const Preset> presets() {
  return kPresets;
}

void apply_presets() noexcept {
  if (switched_off("SPILLWAY_ENABLE") || switched_off("SPILLWAY_PRESETS")) return;
  // libc's own: bash defines a setenv() that works on shell variables, which do not exist yet.
  const auto set = reinterpret_cast<decltype(&setenv)>(dlsym(RTLD_NEXT, "setenv"));
  if (set == nullptr) return;
  // Decided for all before the first is set, or a group's first row would hide its second.
  std::array<bool, kPresets.size()> open{};
  for (size_t i = 0; i < kPresets.size(); ++i) {
    open[i] = std::ranges::none_of(kPresets, [i](const Preset& other) {
      return other.group == kPresets[i].group && find_variable(environ, other.variable) != nullptr;
    });
  }
  for (size_t i = 0; i < kPresets.size(); ++i) {
    if (open[i]) set(kPresets[i].variable, kPresets[i].value, 0);
  }
}

}  // namespace spillway
