// SPDX-License-Identifier: Apache-2.0
// Special registers of PTX. Time is made of instructions: it moves on, and is the same in each run.
#include "tests/sim/ptx/special.h"

#include <atomic>

namespace sim::ptx {
namespace {

struct Row {
  std::string_view text;
  unsigned bits;
};
constexpr Row kSpecials[] = {
#define SPECIAL(name, text, bits) {text, bits},
#include "tests/sim/ptx/special.def"
#undef SPECIAL
};

uint64_t value_of(const Warp& w, Special special, uint32_t lane) {
  const Launch& launch = *w.grid->launch;
  const Dim &grid = launch.grid, &block = launch.block, &index = w.block->index;
  const uint64_t clock = w.grid->ran + w.steps;
  const auto workspace = reinterpret_cast<uint64_t>(&w.grid->workspace);
  const uint32_t bit = 1u << lane;
  switch (special) {
    case Special::TidX:
      return w.tid[0][lane];
    case Special::TidY:
      return w.tid[1][lane];
    case Special::TidZ:
      return w.tid[2][lane];
    case Special::NtidX:
      return block.x;
    case Special::NtidY:
      return block.y;
    case Special::NtidZ:
      return block.z;
    case Special::CtaidX:
    case Special::ClusteridX:
      return index.x;
    case Special::CtaidY:
    case Special::ClusteridY:
      return index.y;
    case Special::CtaidZ:
    case Special::ClusteridZ:
      return index.z;
    case Special::NctaidX:
    case Special::NclusteridX:
      return grid.x;
    case Special::NctaidY:
    case Special::NclusteridY:
      return grid.y;
    case Special::NctaidZ:
    case Special::NclusteridZ:
      return grid.z;
    case Special::Laneid:
      return lane;
    case Special::Warpid:
      return w.index;
    case Special::Nwarpid:
      return w.block->warps.size();
    case Special::Smid:
      return 0;
    case Special::Nsmid:
      return 1;
    case Special::Gridid:
      return w.grid->id;
    case Special::LanemaskEq:
      return bit;
    case Special::LanemaskLe:
      return bit | (bit - 1);
    case Special::LanemaskLt:
      return bit - 1;
    case Special::LanemaskGe:
      return ~(bit - 1);
    case Special::LanemaskGt:
      return ~(bit | (bit - 1));
    case Special::Clock:
    case Special::Clock64:
      return clock;
    case Special::ClockHi:
      return clock >> 32;
    case Special::Globaltimer:
    case Special::GlobaltimerLo:
      return launch.clock_ns + clock;
    case Special::GlobaltimerHi:
      return (launch.clock_ns + clock) >> 32;
    case Special::DynamicSmem:
      return launch.dynamic_shared_bytes;
    case Special::TotalSmem:
    case Special::AggrSmem:
      return w.grid->shared_bytes;
    case Special::Envreg1:
      return launch.cooperative ? workspace >> 32 : 0;
    case Special::Envreg2:
      return launch.cooperative ? workspace : 0;
    case Special::ClusterCtaidX:
    case Special::ClusterCtaidY:
    case Special::ClusterCtaidZ:
    case Special::ClusterCtarank:
    case Special::IsExplicitCluster:
      return 0;
    case Special::ClusterNctaidX:
    case Special::ClusterNctaidY:
    case Special::ClusterNctaidZ:
    case Special::ClusterNctarank:
      return 1;
    case Special::LocalBase:
      return w.local_base;
  }
  return 0;
}

}  // namespace

bool find_special(std::string_view text, Special* out) {
  for (size_t i = 0; i < static_cast<size_t>(Special::LocalBase); ++i) {
    if (kSpecials[i].text != text) continue;
    *out = static_cast<Special>(i);
    return true;
  }
  return false;
}

unsigned special_bits(Special special) {
  return kSpecials[static_cast<size_t>(special)].bits;
}

void read_special(Warp& w, const Inst& in) {
  const auto special = static_cast<Special>(in.aux);
  if (special == Special::IsExplicitCluster) {
    *reinterpret_cast<uint32_t*>(w.frame + in.r[0]) &= ~w.mask;
    return;
  }
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    if (!(w.mask >> lane & 1)) continue;
    const uint64_t value = value_of(w, special, lane) + static_cast<uint64_t>(in.imm);
    if (in.width == 8) {
      reinterpret_cast<uint64_t*>(w.frame + in.r[0])[lane] = value;
    } else if (in.width == 4) {
      reinterpret_cast<uint32_t*>(w.frame + in.r[0])[lane] = static_cast<uint32_t>(value);
    } else {
      reinterpret_cast<uint16_t*>(w.frame + in.r[0])[lane] = static_cast<uint16_t>(value);
    }
  }
}

}  // namespace sim::ptx
