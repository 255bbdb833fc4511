// SPDX-License-Identifier: Apache-2.0
// Device functions that the driver provides: vprintf, __assertfail, malloc, free, and the control
// of graphs.
#pragma once

#include <string_view>

#include "tests/sim/ptx/warp.h"

namespace sim::ptx {

int find_builtin(std::string_view name);  // -1: none
void call_builtin(Warp& warp, const CallSite& site);
const Inst* texture_access(Warp& warp, const Inst* in);  // texture.cpp: tex, suld, sust

}  // namespace sim::ptx
