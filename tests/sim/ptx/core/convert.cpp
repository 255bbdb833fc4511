// SPDX-License-Identifier: Apache-2.0
// cvt, and packing of narrow registers into wide ones.
#include "tests/sim/ptx/core/half.h"

namespace sim::ptx::SIM_PTX_CORE {
namespace {

// Storage and value of a convertible type: integers are themselves, 16-bit floats are read as
// float.
template <class T>
struct As {
  using Raw = T;
  using Value = T;
  static T get(T raw) { return raw; }
};
struct HalfTag {};
struct Bf16Tag {};
template <>
struct As<HalfTag> {
  using Raw = uint16_t;
  using Value = float;
  static float get(uint16_t raw) { return from_half(raw); }
};
template <>
struct As<Bf16Tag> {
  using Raw = uint16_t;
  using Value = float;
  static float get(uint16_t raw) { return from_bf16(raw); }
};

template <class T>
inline T round_to_integer(T x, Round round) {
  switch (round) {
    case Round::Near:
    case Round::NearInt:
      return __builtin_rint(x);
    case Round::Zero:
    case Round::ZeroInt:
      return __builtin_trunc(x);
    case Round::Down:
    case Round::DownInt:
      return __builtin_floor(x);
    case Round::Up:
    case Round::UpInt:
      return __builtin_ceil(x);
    case Round::Away:
      return __builtin_round(x);
    case Round::Odd:
      return x;
  }
  return x;
}

// Float to integer saturates always; NaN gives 0, except that 64-bit targets and f64 sources give
// the most negative value (as the hardware does).
template <class D, class V>
inline D to_integer(V x, Round round) {
  if (is_nan(x)) {
    if constexpr (sizeof(D) == 8 || sizeof(V) == 8) return D(uint64_t(1) << (sizeof(D) * 8 - 1));
    return 0;
  }
  double r = round_to_integer(double(x), round);
  constexpr double top = double(uint64_t(1) << (sizeof(D) * 8 - 1)) * (std::is_signed_v<D> ? 1 : 2);
  if (r >= top) return std::is_signed_v<D> ? D(~(uint64_t(1) << (sizeof(D) * 8 - 1))) : D(~D(0));
  if (r < (std::is_signed_v<D> ? -top : 0.0))
    return std::is_signed_v<D> ? D(uint64_t(1) << (sizeof(D) * 8 - 1)) : D(0);
  return D(r);
}

// An integer or a double as float, in any rounding mode, without touching the host's mode.
template <class V>
inline float to_single(V x, Round round) {
  float f = float(x);  // nearest
  if (round == Round::Near || round == Round::NearInt) return f;
  if constexpr (std::is_floating_point_v<V>) {
    if (is_nan(x) || double(f) == double(x)) return f;
  }
  // Which side of x did it fall? Compare exactly: in double, or in 128-bit integers.
  bool above, below;
  if constexpr (std::is_floating_point_v<V>) {
    above = double(f) > double(x);
    below = double(f) < double(x);
  } else {
    __int128 back = __int128(f);
    above = back > __int128(x);
    below = back < __int128(x);
  }
  bool down = round == Round::Down || (round == Round::Zero && f > 0);
  bool up = round == Round::Up || (round == Round::Zero && f < 0);
  if (above && down) return std::nextafterf(f, -INFINITY);
  if (below && up) return std::nextafterf(f, INFINITY);
  return f;
}
template <class V>
inline double to_double(V x, Round round) {
  double f = double(x);
  if constexpr (std::is_floating_point_v<V>) return f;
  if (round == Round::Near || round == Round::NearInt) return f;
  __int128 back = __int128(f), exact = __int128(x);
  bool down = round == Round::Down || (round == Round::Zero && f > 0);
  bool up = round == Round::Up || (round == Round::Zero && f < 0);
  if (back > exact && down) return std::nextafter(f, -INFINITY);
  if (back < exact && up) return std::nextafter(f, INFINITY);
  return f;
}

template <class D, class S>
struct Convert {
  using V = typename As<S>::Value;
  using Raw = typename As<D>::Raw;
  static constexpr bool to_real = !std::is_integral_v<D>;
  static constexpr bool from_real = std::is_floating_point_v<V>;

  static Raw of(const Inst& in, typename As<S>::Raw raw) {
    V v = As<S>::get(raw);
    if constexpr (std::is_same_v<S, float>) {
      if (in.ftz) v = flush(v);
    }
    if constexpr (!to_real && from_real) {
      return to_integer<D>(v, in.round);
    } else if constexpr (!to_real) {
      if (in.sat) return saturate(v);
      return D(v);
    } else {
      return real(in, v);
    }
  }

  static D saturate(V v) {
    __int128 x = v;
    __int128 low = std::is_signed_v<D> ? -(__int128(1) << (sizeof(D) * 8 - 1)) : 0;
    __int128 high = (__int128(1) << (sizeof(D) * 8 - (std::is_signed_v<D> ? 1 : 0))) - 1;
    return D(x < low ? low : x > high ? high : x);
  }

  static Raw real(const Inst& in, V v) {
    bool integral = in.round >= Round::NearInt;
    if constexpr (from_real) {
      if (integral) v = V(round_to_integer(v, in.round));
      if (in.sat) v = v > V(0) ? (v < V(1) ? v : V(1)) : V(0);
      if (in.flag) v = is_nan(v) ? v : v > V(0) ? v : V(0);  // .relu
    }
    Round round = integral ? Round::Near : in.round;
    if constexpr (std::is_same_v<D, HalfTag> || std::is_same_v<D, Bf16Tag>) {
      Format format = std::is_same_v<D, HalfTag> ? kHalf : kBf16;
      if constexpr (!from_real && sizeof(V) == 8) {
        // 64 bits do not fit in a double: keep what is lost as an odd last bit.
        return uint16_t(encode(odd_double(v), format, round, false));
      }
      return uint16_t(encode(double(v), format, round, in.flag2));
    } else if constexpr (std::is_same_v<D, float>) {
      float f = canonical(to_single(v, round));
      return in.ftz ? flush(f) : f;
    } else {
      double f = to_double(v, round);
      return is_nan(f) ? canonical(f) : f;
    }
  }

  static double odd_double(V v) {
    double d = to_double(v, Round::Zero);
    if (__int128(d) == __int128(v)) return d;
    return std::bit_cast<double>(std::bit_cast<uint64_t>(d) | 1);
  }
};

// The usual ones, in a form that becomes vector code.
template <class D, class S>
struct Plain {
  static D of(S a) { return D(a); }
};
struct Widen {
  static double of(float a) { return canonical(double(a)); }
};
struct Narrow {
  static float of(double a) { return canonical(float(a)); }
};

// Registers may be wider than the types: lanes are then read and written at the register's width.
template <class D, class S>
const Inst* cvt(Warp& w, const Inst* in) {
  using Raw = typename As<D>::Raw;
  using From = typename As<S>::Raw;
  const char* a = w.frame + in->r[1];
  char* d = w.frame + in->r[0];
  const unsigned read = in->width2, write_width = in->width;
  SIM_ACTIVE(w.mask) {
    From raw;
    std::memcpy(&raw, a + size_t(i) * read, sizeof raw);
    Raw value = Convert<D, S>::of(*in, raw);
    if (write_width == sizeof(Raw)) {
      std::memcpy(d + size_t(i) * sizeof(Raw), &value, sizeof value);
    } else {
      uint64_t wide;
      if constexpr (std::is_integral_v<Raw>) {
        wide = std::is_signed_v<Raw> ? uint64_t(int64_t(value)) : uint64_t(value);
      } else {
        wide = 0;
        std::memcpy(&wide, &value, sizeof value);
      }
      std::memcpy(d + size_t(i) * write_width, &wide, write_width);
    }
  }
  return in + 1;
}

template <class D, class S>
Handler choose(const Inst& in) {
  bool exact_widths =
      in.width == sizeof(typename As<D>::Raw) && in.width2 == sizeof(typename As<S>::Raw);
  if constexpr (std::is_integral_v<D> && std::is_integral_v<S>) {
    if (exact_widths && !in.sat) return run1<Plain<D, S>, D, S>;
  }
  if (exact_widths && in.round == Round::Near && !in.sat && !in.ftz && !in.flag) {
    if constexpr (std::is_floating_point_v<D> && std::is_integral_v<S>)
      return run1<Plain<D, S>, D, S>;
    if constexpr (std::is_same_v<D, double> && std::is_same_v<S, float>) return run1<Widen, D, S>;
    if constexpr (std::is_same_v<D, float> && std::is_same_v<S, double>) return run1<Narrow, D, S>;
  }
  return cvt<D, S>;
}

template <class D>
Handler from(const Inst& in) {
  switch (in.from) {
    case Type::U8:
    case Type::B8:
      return choose<D, uint8_t>(in);
    case Type::S8:
      return choose<D, int8_t>(in);
    case Type::U16:
    case Type::B16:
      return choose<D, uint16_t>(in);
    case Type::S16:
      return choose<D, int16_t>(in);
    case Type::U32:
    case Type::B32:
      return choose<D, uint32_t>(in);
    case Type::S32:
      return choose<D, int32_t>(in);
    case Type::U64:
    case Type::B64:
      return choose<D, uint64_t>(in);
    case Type::S64:
      return choose<D, int64_t>(in);
    case Type::F32:
      return choose<D, float>(in);
    case Type::F64:
      return choose<D, double>(in);
    case Type::F16:
      return choose<D, HalfTag>(in);
    case Type::BF16:
      return choose<D, Bf16Tag>(in);
    default:
      return nullptr;
  }
}

Format pair_format(Type type) {
  switch (type) {
    case Type::BF16x2:
      return kBf16;
    case Type::E4M3x2:
      return kE4m3;
    case Type::E5M2x2:
      return kE5m2;
    default:
      return kHalf;
  }
}

// Two floats into one register, the first operand in the upper half.
const Inst* pack_floats(Warp& w, const Inst* in) {
  const float *a = lanes<float>(w, in->r[1]), *b = lanes<float>(w, in->r[2]);
  const Format format = pair_format(in->type);
  const unsigned width = bits(in->type) / 2;
  SIM_ACTIVE(w.mask) {
    auto code = [&](float v) {
      if (in->flag && !is_nan(v) && !(v > 0)) v = 0;  // .relu
      return encode(double(v), format, in->round, in->flag2);
    };
    uint32_t value = code(a[i]) << width | code(b[i]);
    if (width == 8) {
      lanes<uint16_t>(w, in->r[0])[i] = uint16_t(value);
    } else {
      lanes<uint32_t>(w, in->r[0])[i] = value;
    }
  }
  return in + 1;
}

const Inst* fp8_from_half(Warp& w, const Inst* in) {
  const uint32_t* a = lanes<uint32_t>(w, in->r[1]);
  uint16_t* d = lanes<uint16_t>(w, in->r[0]);
  const Format format = pair_format(in->type);
  SIM_ACTIVE(w.mask) {
    auto code = [&](uint16_t h) {
      float v = from_half(h);
      if (in->flag && !is_nan(v) && !(v > 0)) v = 0;
      return encode(double(v), format, in->round, true);
    };
    d[i] = uint16_t(code(uint16_t(a[i] >> 16)) << 8 | code(uint16_t(a[i])));
  }
  return in + 1;
}
const Inst* half_from_fp8(Warp& w, const Inst* in) {
  const uint16_t* a = lanes<uint16_t>(w, in->r[1]);
  uint32_t* d = lanes<uint32_t>(w, in->r[0]);
  const bool e4 = in->from == Type::E4M3x2;
  SIM_ACTIVE(w.mask) {
    auto value = [&](uint8_t v) {
      float f = e4 ? from_e4m3(v) : from_e5m2(v);
      if (in->flag && !(f > 0) && !is_nan(f)) f = 0;
      return uint32_t(to_half(f));
    };
    d[i] = value(uint8_t(a[i] >> 8)) << 16 | value(uint8_t(a[i]));
  }
  return in + 1;
}
const Inst* to_tf32(Warp& w, const Inst* in) {
  const float* a = lanes<float>(w, in->r[1]);
  uint32_t* d = lanes<uint32_t>(w, in->r[0]);
  SIM_ACTIVE(w.mask) {
    float v = a[i];
    if (in->flag && !is_nan(v) && !(v > 0)) v = 0;
    uint32_t code = encode(double(v), kTf32, in->round, in->flag2);
    d[i] = is_nan(v) ? 0x7fffffffu : code << 13;
  }
  return in + 1;
}

// mov between a wide register and a list of narrow ones. `width` is that of one element.
const Inst* pack(Warp& w, const Inst* in) {
  const unsigned size = in->width, n = in->vec;
  SIM_ACTIVE(w.mask) {
    for (unsigned k = 0; k < n; ++k)
      std::memcpy(w.frame + in->r[0] + size_t(i) * size * n + k * size,
                  w.frame + in->r[1 + k] + size_t(i) * size, size);
  }
  return in + 1;
}
const Inst* unpack(Warp& w, const Inst* in) {
  const unsigned size = in->width, n = in->vec;
  SIM_ACTIVE(w.mask) {
    char whole[16];  // an element register may be the source itself
    std::memcpy(whole, w.frame + in->r[n] + size_t(i) * size * n, size * n);
    for (unsigned k = 0; k < n; ++k)
      std::memcpy(w.frame + in->r[k] + size_t(i) * size, whole + k * size, size);
  }
  return in + 1;
}

}  // namespace

Handler select_convert(const Inst& in) {
  if (in.op == Op::Pack) return pack;
  if (in.op == Op::Unpack) return unpack;
  if (in.op == Op::CvtPair) return pack_floats;
  if (in.op != Op::Cvt) return nullptr;
  switch (in.type) {
    case Type::U8:
    case Type::B8:
      return from<uint8_t>(in);
    case Type::S8:
      return from<int8_t>(in);
    case Type::U16:
    case Type::B16:
      return from<uint16_t>(in);
    case Type::S16:
      return from<int16_t>(in);
    case Type::U32:
    case Type::B32:
      return from<uint32_t>(in);
    case Type::S32:
      return from<int32_t>(in);
    case Type::U64:
    case Type::B64:
      return from<uint64_t>(in);
    case Type::S64:
      return from<int64_t>(in);
    case Type::F32:
      return from<float>(in);
    case Type::F64:
      return from<double>(in);
    case Type::F16:
      return from<HalfTag>(in);
    case Type::BF16:
      return from<Bf16Tag>(in);
    case Type::TF32:
      return in.from == Type::F32 ? to_tf32 : nullptr;
    case Type::E4M3x2:
    case Type::E5M2x2:
      return in.from == Type::F16x2 ? fp8_from_half : nullptr;
    case Type::F16x2:
      return in.from == Type::E4M3x2 || in.from == Type::E5M2x2 ? half_from_fp8 : nullptr;
    default:
      return nullptr;
  }
}

}  // namespace sim::ptx::SIM_PTX_CORE
