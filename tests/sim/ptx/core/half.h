// SPDX-License-Identifier: Apache-2.0
// 16-bit and smaller floating-point formats: to float exactly, and from double with one rounding.
#pragma once

#include "tests/sim/ptx/core/real.h"

namespace sim::ptx::SIM_PTX_CORE {
namespace {

inline float from_half(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16;
  uint32_t rest = uint32_t(h & 0x7fff) << 13;
  if (rest >= 0x7c00u << 13) return std::bit_cast<float>(sign | rest | 0x7f800000u);  // inf, NaN
  // 2^112 moves the exponent, and normalises what was subnormal.
  float scaled = std::bit_cast<float>(rest) * 0x1p112f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(scaled));
}
inline float from_bf16(uint16_t h) {
  return std::bit_cast<float>(uint32_t(h) << 16);
}

struct Format {
  int mantissa;   // stored bits
  int exponent;   // bits
  bool infinity;  // e4m3 has none: its largest exponent holds numbers, and one NaN
};
inline constexpr Format kHalf{10, 5, true};
inline constexpr Format kBf16{7, 8, true};
inline constexpr Format kTf32{10, 8, true};
inline constexpr Format kE4m3{3, 4, false};
inline constexpr Format kE5m2{2, 5, true};

// The value in `format`, as bits without its sign bit position fixed: sign at mantissa + exponent.
inline uint32_t encode(double x, Format f, Round round, bool saturate_finite) {
  const int bias = (1 << (f.exponent - 1)) - 1;
  const uint32_t sign = uint32_t(std::signbit(x)) << (f.mantissa + f.exponent);
  const uint32_t all = (1u << f.exponent) - 1;
  const uint32_t inf = all << f.mantissa;
  const uint32_t largest = f.infinity ? inf - 1 : (1u << (f.mantissa + f.exponent)) - 2;
  if (is_nan(x)) return (1u << (f.mantissa + f.exponent)) - 1;  // canonical: all ones, positive
  double a = std::fabs(x);
  if (std::isinf(a)) return sign | (saturate_finite || !f.infinity ? largest : inf);
  if (a == 0) return sign;
  int e;
  std::frexp(a, &e);                   // a = m * 2^e with m in [0.5, 1)
  int lowest = 1 - bias - f.mantissa;  // exponent of the last subnormal bit
  int unit = e - 1 - f.mantissa;       // exponent of the last bit of a's binade
  if (unit < lowest) unit = lowest;
  double scaled = std::ldexp(a, -unit);  // exact; below 2^(mantissa+1)
  double whole = std::floor(scaled);
  double rest = scaled - whole;
  uint32_t n = uint32_t(whole);
  bool negative = sign != 0;
  switch (round) {
    case Round::Near:
    case Round::NearInt:
      n += rest > 0.5 || (rest == 0.5 && (n & 1));
      break;
    case Round::Away:
      n += rest >= 0.5;
      break;
    case Round::Zero:
    case Round::ZeroInt:
      break;
    case Round::Down:
    case Round::DownInt:
      n += negative && rest > 0;
      break;
    case Round::Up:
    case Round::UpInt:
      n += !negative && rest > 0;
      break;
    case Round::Odd:
      n |= rest > 0;
      break;
  }
  // A carry out of the mantissa moves into the exponent by itself.
  int64_t biased = unit + f.mantissa + bias;  // exponent field when the hidden bit is set
  uint64_t code = n >= (1u << f.mantissa) ? (uint64_t(biased - 1) << f.mantissa) + n : n;
  if (code > largest) {
    bool to_inf = !saturate_finite && f.infinity && round != Round::Zero &&
                  !(round == Round::Down && !negative) && !(round == Round::Up && negative);
    code = to_inf ? inf : largest;
  }
  return sign | uint32_t(code);
}

inline uint16_t to_half(double x, Round round = Round::Near) {
  return uint16_t(encode(x, kHalf, round, false));
}
inline uint16_t to_bf16(double x, Round round = Round::Near) {
  return uint16_t(encode(x, kBf16, round, false));
}

inline float from_e5m2(uint8_t v) {
  return from_half(uint16_t(v << 8));
}
inline float from_e4m3(uint8_t v) {
  float sign = v & 0x80 ? -1.0f : 1.0f;
  int e = v >> 3 & 15, m = v & 7;
  if (e == 15 && m == 7) return nan_like(0.0f);
  return sign * (e ? std::ldexp(float(8 + m), e - 10) : std::ldexp(float(m), -9));
}

}  // namespace
}  // namespace sim::ptx::SIM_PTX_CORE
