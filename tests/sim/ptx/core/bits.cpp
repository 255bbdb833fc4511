// SPDX-License-Identifier: Apache-2.0
// Bit fields, counts, permutes, dot products.
#include "tests/sim/ptx/core/lanes.h"

namespace sim::ptx::SIM_PTX_CORE {
namespace {

template <class T>
struct Popc {
  static uint32_t of(T a) { return uint32_t(std::popcount(a)); }
};
template <class T>
struct Clz {
  static uint32_t of(T a) { return uint32_t(std::countl_zero(a)); }
};
// The highest bit that differs from the sign; none: all ones.
template <class T>
struct Bfind {
  static uint32_t of(const Inst& in, T value) {
    using U = std::make_unsigned_t<T>;
    U a = U(std::is_signed_v<T> && value < 0 ? ~value : value);
    if (a == 0) return ~0u;
    int zeros = std::countl_zero(a);
    return uint32_t(in.flag ? zeros : int(sizeof(T) * 8) - 1 - zeros);
  }
};
template <class T>
struct Brev {
  static T of(T a) {
    T r = 0;
    for (unsigned i = 0; i < sizeof(T) * 8; ++i) r |= T(a >> i & 1) << (sizeof(T) * 8 - 1 - i);
    return r;
  }
};
// The n-th set bit from `base`, downwards when n is negative.
struct Fns {
  static uint32_t of(const Inst&, uint32_t mask, uint32_t base, int32_t offset) {
    if (base > 31) return ~0u;
    if (offset == 0) return mask >> base & 1 ? base : ~0u;
    int step = offset > 0 ? 1 : -1;
    int count = offset > 0 ? offset : -offset;
    for (int at = int(base); at >= 0 && at < 32; at += step) {
      if ((mask >> at & 1) && --count == 0) return uint32_t(at);
    }
    return ~0u;
  }
};
template <class T>
struct Bfe {
  static T of(const Inst&, T a, uint32_t b, uint32_t c) {
    using U = std::make_unsigned_t<T>;
    constexpr unsigned msb = sizeof(T) * 8 - 1;
    unsigned at = b & 0xff, length = c & 0xff;
    if (length == 0) return 0;
    unsigned last = at + length - 1 < msb ? at + length - 1 : msb;
    U sign = std::is_signed_v<T> ? U(U(a) >> last & 1) : U(0);
    U field = at > msb ? U(0) : U(U(a) >> at);
    unsigned got = at > msb ? 0 : msb - at + 1;  // bits of the source in `field`
    if (got > length) got = length;
    if (got > msb) return T(field);
    U mask = U((U(1) << got) - 1);
    return T((field & mask) | (sign ? U(~mask) : U(0)));
  }
};
template <class T>
struct Bfi {
  static T of(T a, T b, uint32_t position, uint32_t count) {
    constexpr unsigned size = sizeof(T) * 8;
    unsigned at = position & 0xff, length = count & 0xff;
    if (at >= size || length == 0) return b;
    T mask = length >= size ? T(~T(0)) : T((T(1) << length) - 1);
    mask = T(mask << at);
    return T((b & ~mask) | (T(a << at) & mask));
  }
};
struct Bmsk {
  static uint32_t of(const Inst& in, uint32_t a, uint32_t b) {
    if (!in.flag) {  // .clamp
      if (a > 31) return 0;
      uint32_t ones = b > 31 ? ~0u : (1u << b) - 1;
      return ones << a;
    }
    a &= 31;
    b &= 31;
    return ((1u << b) - 1) << a;
  }
};
template <class T>
struct Szext {
  static T of(const Inst& in, T a, uint32_t b) {
    if (in.flag) b &= 31;
    if (b > 31) return a;
    if (b == 0) return 0;
    return T(T(std::make_unsigned_t<T>(a) << (32 - b)) >> (32 - b));
  }
};
struct Prmt {
  static uint32_t of(const Inst& in, uint32_t a, uint32_t b, uint32_t c) {
    uint64_t both = uint64_t(b) << 32 | a;
    auto byte = [&](unsigned n) { return uint32_t(both >> (n * 8) & 0xff); };
    uint32_t r = 0;
    for (unsigned i = 0; i < 4; ++i) {
      uint32_t v = 0;
      unsigned s = c & 3;
      switch (in.aux) {
        case 0: {  // by selector nibbles; bit 3 replicates the sign
          unsigned n = c >> (i * 4);
          v = byte(n & 7);
          if (n & 8) v = v & 0x80 ? 0xff : 0;
          break;
        }
        case 1:
          v = byte((s + i) & 7);
          break;  // f4e
        case 2:
          v = byte((s - i) & 7);
          break;  // b4e
        case 3:
          v = byte(s);
          break;  // rc8
        case 4:
          v = byte(s > i ? s : i);
          break;  // ecl
        case 5:
          v = byte(s < i ? s : i);
          break;  // ecr
        default:
          v = byte((s & 1) * 2 + (i & 1));
          break;  // rc16
      }
      r |= v << (i * 8);
    }
    return r;
  }
};
struct Shf {
  static uint32_t of(const Inst& in, uint32_t a, uint32_t b, uint32_t c) {
    uint32_t n = in.flag ? c & 31 : (c < 32 ? c : 32);  // .wrap, else .clamp
    uint64_t both = uint64_t(b) << 32 | a;
    return in.flag2 ? uint32_t(both >> n) : uint32_t((both << n) >> 32);
  }
};
template <class A, class B>
struct Dp4a {
  static uint32_t of(const Inst&, uint32_t a, uint32_t b, uint32_t c) {
    for (unsigned i = 0; i < 4; ++i)
      c += uint32_t(int32_t(A(a >> (i * 8))) * int32_t(B(b >> (i * 8))));
    return c;
  }
};
template <class A, class B, class W>
struct Dp2a {
  static uint32_t of(const Inst& in, uint32_t a, uint32_t b, uint32_t c) {
    unsigned from = in.flag ? 2 : 0;  // .hi
    for (unsigned i = 0; i < 2; ++i)
      c += uint32_t(int32_t(W(a >> (i * 16))) * int32_t(B(b >> ((from + i) * 8))));
    return c;
  }
};

template <class T>
const Inst* bfi(Warp& w, const Inst* in) {
  const T *a = lanes<T>(w, in->r[1]), *b = lanes<T>(w, in->r[2]);
  const uint32_t *c = lanes<uint32_t>(w, in->r[3]), *n = lanes<uint32_t>(w, in->r[4]);
  T* d = lanes<T>(w, in->r[0]);
  SIM_ACTIVE(w.mask) d[i] = Bfi<T>::of(a[i], b[i], c[i], n[i]);
  return in + 1;
}

// The truth table is split into its eight minterms once, not once a lane. r[1] is the predicate of
// the BoolOp form, r[5] its second operand.
const Inst* lop3(Warp& w, const Inst* in) {
  const uint32_t *a = lanes<uint32_t>(w, in->r[2]), *b = lanes<uint32_t>(w, in->r[3]),
                 *c = lanes<uint32_t>(w, in->r[4]);
  uint32_t t[8];
  for (int k = 0; k < 8; ++k) t[k] = in->aux >> k & 1 ? ~0u : 0u;
  auto value = [=](int i) {
    uint32_t x = a[i], y = b[i], z = c[i];
    return (t[0] & ~x & ~y & ~z) | (t[1] & ~x & ~y & z) | (t[2] & ~x & y & ~z) |
           (t[3] & ~x & y & z) | (t[4] & x & ~y & ~z) | (t[5] & x & ~y & z) | (t[6] & x & y & ~z) |
           (t[7] & x & y & z);
  };
  if (in->combine != Bool::None) {
    uint32_t nonzero = gather_mask([=](int i) { return value(i) != 0; });
    uint32_t q = pred(w, in->r[5]);
    write<uint32_t>(w, in->r[0], value);
    write_pred(w, in->r[1], in->combine == Bool::And ? nonzero & q : nonzero | q);
  } else {
    write<uint32_t>(w, in->r[0], value);
  }
  return in + 1;
}

template <class U, class S>
Handler sized(const Inst& in) {
  bool s = is_signed(in.type);
  switch (in.op) {
    case Op::Popc:
      return run1<Popc<U>, uint32_t, U>;
    case Op::Clz:
      return run1<Clz<U>, uint32_t, U>;
    case Op::Brev:
      return run1<Brev<U>, U, U>;
    case Op::Bfind:
      return s ? slow1<Bfind<S>, uint32_t, S> : slow1<Bfind<U>, uint32_t, U>;
    case Op::Bfe:
      return s ? slow3<Bfe<S>, S, S, uint32_t, uint32_t> : slow3<Bfe<U>, U, U, uint32_t, uint32_t>;
    case Op::Bfi:
      return bfi<U>;
    default:
      return nullptr;
  }
}

}  // namespace

Handler select_bits(const Inst& in) {
  if (bits(in.type) == 64) return sized<uint64_t, int64_t>(in);
  if (bits(in.type) != 32) return nullptr;
  if (Handler h = sized<uint32_t, int32_t>(in)) return h;
  bool s = is_signed(in.type), s2 = is_signed(in.from);
  switch (in.op) {
    case Op::Fns:
      return slow3<Fns, uint32_t, uint32_t, uint32_t, int32_t>;
    case Op::Bmsk:
      return slow2<Bmsk, uint32_t, uint32_t, uint32_t>;
    case Op::Szext:
      return s ? slow2<Szext<int32_t>, int32_t, int32_t, uint32_t>
               : slow2<Szext<uint32_t>, uint32_t, uint32_t, uint32_t>;
    case Op::Prmt:
      return slow3<Prmt, uint32_t, uint32_t, uint32_t, uint32_t>;
    case Op::Lop3:
      return lop3;
    case Op::Shf:
      return slow3<Shf, uint32_t, uint32_t, uint32_t, uint32_t>;
    case Op::Dp4a:
      if (s)
        return s2 ? slow3<Dp4a<int8_t, int8_t>, uint32_t, uint32_t, uint32_t, uint32_t>
                  : slow3<Dp4a<int8_t, uint8_t>, uint32_t, uint32_t, uint32_t, uint32_t>;
      return s2 ? slow3<Dp4a<uint8_t, int8_t>, uint32_t, uint32_t, uint32_t, uint32_t>
                : slow3<Dp4a<uint8_t, uint8_t>, uint32_t, uint32_t, uint32_t, uint32_t>;
    case Op::Dp2a:
      if (s)
        return s2 ? slow3<Dp2a<int8_t, int8_t, int16_t>, uint32_t, uint32_t, uint32_t, uint32_t>
                  : slow3<Dp2a<int8_t, uint8_t, int16_t>, uint32_t, uint32_t, uint32_t, uint32_t>;
      return s2 ? slow3<Dp2a<uint8_t, int8_t, uint16_t>, uint32_t, uint32_t, uint32_t, uint32_t>
                : slow3<Dp2a<uint8_t, uint8_t, uint16_t>, uint32_t, uint32_t, uint32_t, uint32_t>;
    default:
      return nullptr;
  }
}

}  // namespace sim::ptx::SIM_PTX_CORE
