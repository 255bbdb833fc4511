// SPDX-License-Identifier: Apache-2.0
// The copy of the core that fits this CPU.
#include <cstdlib>
#include <string_view>

#include "tests/sim/ptx/module.h"
#include "tests/sim/ptx/warp.h"

namespace sim::ptx {

namespace baseline {
Handler select(const Inst& in);
}
#ifdef SIM_PTX_HAVE_V3
namespace v3 {
Handler select(const Inst& in);
}
#endif

Handler select_handler(const Inst& in) {
  if (Handler handler = control_handler(in)) return handler;
#ifdef SIM_PTX_HAVE_V3
  // SIMCUDA_CORE=baseline is for comparing the copies.
  static const bool modern = [] {
    const char* asked = std::getenv("SIMCUDA_CORE");
    if (asked && std::string_view(asked) == "baseline") return false;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
  }();
  if (modern) return v3::select(in);
#endif
  return baseline::select(in);
}

}  // namespace sim::ptx
