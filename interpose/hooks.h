// SPDX-License-Identifier: Apache-2.0
// The table of interpose/hooks.def as data: what is done with each function of the driver API.
#pragma once

#include <cuda.h>

#include <array>
#include <cstddef>
#include <string_view>

namespace spillway {

enum class HookKind { Hook, Pass, Pin, Refuse };

struct HookInfo {
  std::string_view symbol;  // as exported, with _v2, _ptsz, _ptds
  HookKind kind;
  std::string_view answer;  // REFUSE: the CUresult
  std::string_view why;
};

inline constexpr auto kHooks = std::to_array<HookInfo>({
#define HOOK(symbol, why) {#symbol, HookKind::Hook, "", why},
#define PASS(symbol, why) {#symbol, HookKind::Pass, "", why},
#define PIN(symbol, why) {#symbol, HookKind::Pin, "", why},
#define REFUSE(symbol, answer, why) {#symbol, HookKind::Refuse, #answer, why},
#include "interpose/hooks.def"
#undef HOOK
#undef PASS
#undef PIN
#undef REFUSE
});

}  // namespace spillway
