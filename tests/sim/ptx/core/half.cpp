// SPDX-License-Identifier: Apache-2.0
// f16, bf16 and their pairs. A float holds every sum, product and quotient of two halves precisely
// enough that rounding it again gives the correctly rounded half; fma goes through round-to-odd.
#include "tests/sim/ptx/core/half.h"

namespace sim::ptx::SIM_PTX_CORE {
namespace {

// a * b is exact in double; of the sum, keep what does not fit as an odd last bit.
inline double fma_to_odd(double a, double b, double c) {
  double p = a * b, s = p + c;
  if (!(std::fabs(s) <= 1e300) || s == 0) return s;
  double back = s - p, error = (p - (s - back)) + (c - back);
  uint64_t u = std::bit_cast<uint64_t>(s);
  if (error == 0 || (u & 1)) return s;
  return std::bit_cast<double>((error > 0) == (s > 0) ? u | 1 : u - 1);
}

template <float (*kRead)(uint16_t), uint16_t (*kWrite)(double, Round)>
struct Arithmetic {
  static double read(const Inst& in, uint16_t h) {
    if (in.ftz && !(h & 0x7c00)) h &= 0x8000;
    return kRead(h);
  }
  static uint16_t finish(const Inst& in, double r) {
    if (in.sat) r = r > 0 ? (r < 1 ? r : 1) : 0;
    if (in.flag && in.op == Op::Fma && !is_nan(r) && !(r > 0)) r = 0;  // .relu
    uint16_t h = kWrite(r, Round::Near);
    if (in.ftz && !(h & 0x7c00)) h &= 0x8000;
    return h;
  }
  static uint16_t of(const Inst& in, uint16_t x, uint16_t y, uint16_t z) {
    double a = read(in, x), b = read(in, y);
    switch (in.op) {
      case Op::Add:
        return finish(in, a + b);
      case Op::Sub:
        return finish(in, a - b);
      case Op::MulLo:
        return finish(in, a * b);
      case Op::Fma:
        return finish(in, fma_to_odd(a, b, read(in, z)));
      case Op::Min:
      case Op::Max: {
        if (in.flag) {  // .xorsign.abs
          double m = in.op == Op::Min ? smaller(std::fabs(a), std::fabs(b), in.nan)
                                      : larger(std::fabs(a), std::fabs(b), in.nan);
          if (!is_nan(m) && std::signbit(a) != std::signbit(b)) m = -m;
          return finish(in, m);
        }
        return finish(in, in.op == Op::Min ? smaller(a, b, in.nan) : larger(a, b, in.nan));
      }
      case Op::Neg:
        return is_nan(a) ? finish(in, a) : finish(in, -a);
      case Op::Abs:
        return finish(in, std::fabs(a));
      case Op::Ex2:
        return finish(in, std::exp2(a));
      case Op::Tanh:
        return finish(in, std::tanh(a));
      default:
        return 0;
    }
  }
  static uint32_t of(const Inst& in, uint32_t x, uint32_t y, uint32_t z) {
    return uint32_t(of(in, uint16_t(x), uint16_t(y), uint16_t(z))) |
           uint32_t(of(in, uint16_t(x >> 16), uint16_t(y >> 16), uint16_t(z >> 16))) << 16;
  }
};

template <class F, class T>
Handler arity(const Inst& in) {
  switch (in.op) {
    case Op::Add:
    case Op::Sub:
    case Op::MulLo:
    case Op::Min:
    case Op::Max:
    case Op::Neg:
    case Op::Abs:
    case Op::Ex2:
    case Op::Tanh:
    case Op::Fma:
      return slow3<F, T, T, T, T>;  // absent operands read the scratch register
    default:
      return nullptr;
  }
}

}  // namespace

Handler select_half(const Inst& in) {
  using H = Arithmetic<from_half, to_half>;
  using B = Arithmetic<from_bf16, to_bf16>;
  switch (in.type) {
    case Type::F16:
      return arity<H, uint16_t>(in);
    case Type::BF16:
      return arity<B, uint16_t>(in);
    case Type::F16x2:
      return arity<H, uint32_t>(in);
    case Type::BF16x2:
      return arity<B, uint32_t>(in);
    default:
      return nullptr;
  }
}

}  // namespace sim::ptx::SIM_PTX_CORE
