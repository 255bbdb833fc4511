// SPDX-License-Identifier: Apache-2.0
// f32 and f64 arithmetic. The approximate functions (ex2, lg2, sin, ...) are the host's, in double
// precision and rounded once: more accurate than the hardware's, so their last bits differ from it.
#include "tests/sim/ptx/core/real.h"

namespace sim::ptx::SIM_PTX_CORE {
namespace {

template <class T, bool kFtz, bool kSat>
struct Real {
  static T l(T x) { return load<kFtz>(x); }
  static T f(T x) { return finish<kFtz, kSat>(x); }
  struct Add {
    static T of(T a, T b) { return f(l(a) + l(b)); }
  };
  struct Sub {
    static T of(T a, T b) { return f(l(a) - l(b)); }
  };
  struct Mul {
    static T of(T a, T b) { return f(l(a) * l(b)); }
  };
  struct Div {
    static T of(T a, T b) { return f(l(a) / l(b)); }
  };
  struct Fma {
    static T of(T a, T b, T c) {
      if constexpr (sizeof(T) == 4) return f(__builtin_fmaf(l(a), l(b), l(c)));
      return f(T(__builtin_fma(l(a), l(b), l(c))));
    }
  };
  struct Rcp {
    static T of(T a) { return f(T(1) / l(a)); }
  };
  struct Sqrt {
    static T of(T a) {
      if constexpr (sizeof(T) == 4) return f(__builtin_sqrtf(l(a)));
      return f(T(__builtin_sqrt(l(a))));
    }
  };
  struct Neg {
    static T of(T a) { return is_nan(a) ? nan_like(a) : -l(a); }
  };
  struct Abs {
    static T of(T a) {
      using U = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
      return f(std::bit_cast<T>(U(std::bit_cast<U>(l(a)) << 1 >> 1)));
    }
  };
  struct Min {
    static T of(const Inst& in, T a, T b) {
      return in.flag ? xor_sign(a, b, smaller(std::fabs(l(a)), std::fabs(l(b)), in.nan))
                     : canonical(smaller(l(a), l(b), in.nan));
    }
  };
  struct Max {
    static T of(const Inst& in, T a, T b) {
      return in.flag ? xor_sign(a, b, larger(std::fabs(l(a)), std::fabs(l(b)), in.nan))
                     : canonical(larger(l(a), l(b), in.nan));
    }
  };
  static T xor_sign(T a, T b, T r) {
    if (is_nan(r)) return nan_like(r);
    return std::copysign(r, std::signbit(a) != std::signbit(b) ? T(-1) : T(1));
  }
  struct Rsqrt {
    static T of(const Inst&, T a) { return f(T(1 / std::sqrt(double(l(a))))); }
  };
  struct Ex2 {
    static T of(const Inst&, T a) { return f(T(std::exp2(double(l(a))))); }
  };
  struct Lg2 {
    static T of(const Inst&, T a) { return f(T(std::log2(double(l(a))))); }
  };
  struct Sin {
    static T of(const Inst&, T a) { return f(T(std::sin(double(l(a))))); }
  };
  struct Cos {
    static T of(const Inst&, T a) { return f(T(std::cos(double(l(a))))); }
  };
  struct Tanh {
    static T of(const Inst&, T a) { return f(T(std::tanh(double(l(a))))); }
  };
};

// rcp.approx.ftz.f64 and rsqrt.approx.ftz.f64 work on the upper halves only.
inline double upper_half(double x) {
  return std::bit_cast<double>(std::bit_cast<uint64_t>(x) & 0xffffffff00000000ull);
}
inline double flush64(double x) {
  uint64_t u = std::bit_cast<uint64_t>(x);
  return std::bit_cast<double>((u & 0x7ff0000000000000ull) ? u : u & 0x8000000000000000ull);
}
struct RcpUpper {
  static double of(const Inst&, double a) {
    return upper_half(canonical(flush64(1 / flush64(upper_half(a)))));
  }
};
struct RsqrtUpper {
  static double of(const Inst&, double a) {
    return upper_half(canonical(1 / std::sqrt(flush64(upper_half(a)))));
  }
};

template <class T>
struct Copysign {
  static T of(T a, T b) { return std::copysign(b, a); }
};

template <class T>
const Inst* testp(Warp& w, const Inst* in) {
  const T* a = lanes<T>(w, in->r[1]);
  int mode = in->aux;
  write_pred(w, in->r[0], gather_mask([=](int i) {
               int kind = std::fpclassify(a[i]);
               switch (mode) {
                 case 0:
                   return kind != FP_NAN && kind != FP_INFINITE;
                 case 1:
                   return kind == FP_INFINITE;
                 case 2:
                   return kind != FP_NAN;
                 case 3:
                   return kind == FP_NAN;
                 case 4:
                   return kind == FP_NORMAL;
                 default:
                   return kind == FP_SUBNORMAL;
               }
             }));
  return in + 1;
}

template <Handler kHandler>
Handler rounded(const Inst& in) {
  return in.round == Round::Near ? kHandler : directed<kHandler>;
}

template <class T, bool kFtz, bool kSat>
Handler with_options(const Inst& in) {
  using R = Real<T, kFtz, kSat>;
  switch (in.op) {
    case Op::Add:
      return rounded<run2<typename R::Add, T, T, T>>(in);
    case Op::Sub:
      return rounded<run2<typename R::Sub, T, T, T>>(in);
    case Op::MulLo:
      return rounded<run2<typename R::Mul, T, T, T>>(in);
    case Op::Fma:
      return rounded<run3<typename R::Fma, T, T, T, T>>(in);
    default:
      break;
  }
  if (kSat && in.op != Op::Ex2) return nullptr;
  switch (in.op) {
    case Op::Div:
      return rounded<run2<typename R::Div, T, T, T>>(in);
    case Op::Rcp:
      return rounded<run1<typename R::Rcp, T, T>>(in);
    case Op::Sqrt:
      return rounded<run1<typename R::Sqrt, T, T>>(in);
    case Op::Neg:
      return run1<typename R::Neg, T, T>;
    case Op::Abs:
      return run1<typename R::Abs, T, T>;
    case Op::Min:
      return slow2<typename R::Min, T, T, T>;
    case Op::Max:
      return slow2<typename R::Max, T, T, T>;
    case Op::Rsqrt:
      return slow1<typename R::Rsqrt, T, T>;
    case Op::Ex2:
      return slow1<typename R::Ex2, T, T>;
    case Op::Lg2:
      return slow1<typename R::Lg2, T, T>;
    case Op::Sin:
      return slow1<typename R::Sin, T, T>;
    case Op::Cos:
      return slow1<typename R::Cos, T, T>;
    case Op::Tanh:
      return slow1<typename R::Tanh, T, T>;
    case Op::Copysign:
      return run2<Copysign<T>, T, T, T>;
    case Op::Testp:
      return testp<T>;
    default:
      return nullptr;
  }
}

}  // namespace

Handler select_float(const Inst& in) {
  if (in.type == Type::F32) {
    if (in.ftz)
      return in.sat ? with_options<float, true, true>(in) : with_options<float, true, false>(in);
    return in.sat ? with_options<float, false, true>(in) : with_options<float, false, false>(in);
  }
  if (in.type != Type::F64 || in.sat) return nullptr;
  if (in.ftz) {
    if (in.op == Op::Rcp) return slow1<RcpUpper, double, double>;
    if (in.op == Op::Rsqrt) return slow1<RsqrtUpper, double, double>;
    return nullptr;
  }
  return with_options<double, false, false>(in);
}

}  // namespace sim::ptx::SIM_PTX_CORE
