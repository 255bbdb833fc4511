// SPDX-License-Identifier: Apache-2.0
// Memory sets: what is checked before one may run.
#pragma once

#include "tests/sim/driver/node.h"

namespace sim {

CUresult check_fill(FillNode* node, bool* on_host);

}  // namespace sim
