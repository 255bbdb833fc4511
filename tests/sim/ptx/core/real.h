// SPDX-License-Identifier: Apache-2.0
// Floating point as the hardware does it: canonical NaN, flushing, saturation, directed rounding.
#pragma once

#include <cfenv>
#include <cmath>

#include "tests/sim/ptx/core/lanes.h"

namespace sim::ptx::SIM_PTX_CORE {
namespace {

inline bool is_nan(float x) {
  return (std::bit_cast<uint32_t>(x) & 0x7fffffffu) > 0x7f800000u;
}
inline bool is_nan(double x) {
  return (std::bit_cast<uint64_t>(x) & 0x7fffffffffffffffull) > 0x7ff0000000000000ull;
}
inline float nan_like(float) {
  return std::bit_cast<float>(0x7fffffffu);
}
inline double nan_like(double) {
  return std::bit_cast<double>(0x7ff8000000000000ull);
}

// One NaN for all: which operand's payload the host CPU keeps depends on how the compiler ordered
// them.
template <class T>
inline T canonical(T r) {
  return is_nan(r) ? nan_like(r) : r;
}

inline float flush(float x) {
  uint32_t u = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((u & 0x7f800000u) ? u : u & 0x80000000u);
}
template <bool kFtz, class T>
inline T load(T x) {
  if constexpr (kFtz && sizeof(T) == 4) return flush(x);
  return x;
}
template <bool kFtz, bool kSat, class T>
inline T finish(T r) {
  if constexpr (kSat) return r > T(0) ? (r < T(1) ? load<kFtz>(r) : T(1)) : T(0);  // NaN: 0
  return canonical(load<kFtz>(r));
}

// -0 is below +0; a NaN loses against a number unless `nan`.
template <class T>
inline T smaller(T a, T b, bool nan) {
  if (is_nan(a) || is_nan(b)) {
    if (nan || (is_nan(a) && is_nan(b))) return nan_like(a);
    return is_nan(a) ? b : a;
  }
  if (a == b) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}
template <class T>
inline T larger(T a, T b, bool nan) {
  if (is_nan(a) || is_nan(b)) {
    if (nan || (is_nan(a) && is_nan(b))) return nan_like(a);
    return is_nan(a) ? b : a;
  }
  if (a == b) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}

inline int host_rounding(Round round) {
  switch (round) {
    case Round::Zero:
    case Round::ZeroInt:
      return FE_TOWARDZERO;
    case Round::Down:
    case Round::DownInt:
      return FE_DOWNWARD;
    case Round::Up:
    case Round::UpInt:
      return FE_UPWARD;
    case Round::Near:
    case Round::NearInt:
    case Round::Away:
    case Round::Odd:
      return FE_TONEAREST;
  }
  return FE_TONEAREST;
}

// Runs a handler under another rounding mode. All operands and results of the handler are in
// memory, so the barriers keep every operation inside.
template <Handler kHandler>
const Inst* directed(Warp& w, const Inst* in) {
  int before = std::fegetround();
  std::fesetround(host_rounding(in->round));
  Handler volatile handler = kHandler;
  const Inst* next = handler(w, in);
  asm volatile("" ::: "memory");
  std::fesetround(before);
  return next;
}

}  // namespace
}  // namespace sim::ptx::SIM_PTX_CORE
