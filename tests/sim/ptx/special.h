// SPDX-License-Identifier: Apache-2.0
// Special registers of PTX.
#pragma once

#include <string_view>

#include "tests/sim/ptx/warp.h"

namespace sim::ptx {

enum class Special : uint8_t {
#define SPECIAL(name, text, bits) name,
#include "tests/sim/ptx/special.def"
#undef SPECIAL
};

bool find_special(std::string_view text, Special* out);
unsigned special_bits(Special special);

// in.aux names the register, in.width is the bytes of the destination, in.imm is added.
void read_special(Warp& warp, const Inst& in);

}  // namespace sim::ptx
