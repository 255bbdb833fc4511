// SPDX-License-Identifier: Apache-2.0
// Chooses the handler of an instruction among the files of this copy of the core.
#include "tests/sim/ptx/core/lanes.h"

namespace sim::ptx::SIM_PTX_CORE {

Handler select(const Inst& in) {
  constexpr Handler (*kFiles[])(const Inst&) = {select_compare, select_convert, select_memory,
                                                select_atomic,  select_lanes,   select_float,
                                                select_half,    select_bits,    select_integer};
  for (auto file : kFiles) {
    if (Handler handler = file(in)) return handler;
  }
  return nullptr;
}

}  // namespace sim::ptx::SIM_PTX_CORE
