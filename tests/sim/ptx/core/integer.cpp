// SPDX-License-Identifier: Apache-2.0
// Integer arithmetic and logic.
#include "tests/sim/ptx/core/lanes.h"

namespace sim::ptx::SIM_PTX_CORE {
namespace {

template <class T>
struct WiderOf;
template <>
struct WiderOf<uint16_t> {
  using type = uint32_t;
};
template <>
struct WiderOf<int16_t> {
  using type = int32_t;
};
template <>
struct WiderOf<uint32_t> {
  using type = uint64_t;
};
template <>
struct WiderOf<int32_t> {
  using type = int64_t;
};
template <>
struct WiderOf<uint64_t> {
  using type = unsigned __int128;
};
template <>
struct WiderOf<int64_t> {
  using type = __int128;
};
template <class T>
using Wider = typename WiderOf<T>::type;
// Overflow wraps, also for signed types: compute unsigned, in at least 32 bits.
template <class T>
using Wrap = std::conditional_t<sizeof(T) < 4, uint32_t, std::make_unsigned_t<T>>;

template <class T>
struct Add {
  static T of(T a, T b) { return T(Wrap<T>(a) + Wrap<T>(b)); }
};
template <class T>
struct Sub {
  static T of(T a, T b) { return T(Wrap<T>(a) - Wrap<T>(b)); }
};
template <class T>
struct MulLo {
  static T of(T a, T b) { return T(Wrap<T>(a) * Wrap<T>(b)); }
};
template <class T>
struct MulHi {
  static T of(T a, T b) { return T((Wider<T>(a) * Wider<T>(b)) >> (sizeof(T) * 8)); }
};
template <class T>
struct MulWide {
  static Wider<T> of(T a, T b) { return Wider<T>(a) * Wider<T>(b); }
};
template <class T>
struct MadLo {
  static T of(T a, T b, T c) { return Add<T>::of(MulLo<T>::of(a, b), c); }
};
template <class T>
struct MadHi {
  static T of(T a, T b, T c) { return Add<T>::of(MulHi<T>::of(a, b), c); }
};
template <class T>
struct MadWide {
  static Wider<T> of(T a, T b, Wider<T> c) {
    return Add<Wider<T>>::of(Wider<T>(a) * Wider<T>(b), c);
  }
};
inline int32_t saturate(int64_t v) {
  return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : int32_t(v);
}
struct AddSat {
  static int32_t of(int32_t a, int32_t b) { return saturate(int64_t(a) + b); }
};
struct SubSat {
  static int32_t of(int32_t a, int32_t b) { return saturate(int64_t(a) - b); }
};
struct MadHiSat {
  static int32_t of(int32_t a, int32_t b, int32_t c) {
    return saturate(int64_t(MulHi<int32_t>::of(a, b)) + c);
  }
};
// 24-bit products: bits 0-31 or 16-47 of the 48-bit result.
template <class T>
struct Mul24 {
  static T of(const Inst& in, T a, T b) {
    using W = Wider<T>;
    W x = W(std::make_unsigned_t<W>(a) << 40) >> 40, y = W(std::make_unsigned_t<W>(b) << 40) >> 40;
    return T(in.flag ? (x * y) >> 16 : x * y);
  }
};
template <class T>
struct Mad24 {
  static T of(const Inst& in, T a, T b, T c) {
    T product = Mul24<T>::of(in, a, b);
    if constexpr (std::is_same_v<T, int32_t>) {
      if (in.sat) return saturate(int64_t(product) + c);
    }
    return Add<T>::of(product, c);
  }
};
// The hardware's answers: x / 0 is all ones, x % 0 is x, MIN / -1 wraps.
template <class T>
struct Div {
  static T of(const Inst&, T a, T b) {
    if (b == 0) return T(-1);
    if (std::is_signed_v<T> && b == T(-1)) return Sub<T>::of(0, a);
    return T(a / b);
  }
};
template <class T>
struct Rem {
  static T of(const Inst&, T a, T b) {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == T(-1)) return 0;
    return T(a % b);
  }
};
template <class T>
struct Abs {
  static T of(T a) { return a < 0 ? Sub<T>::of(0, a) : a; }
};
template <class T>
struct Neg {
  static T of(T a) { return Sub<T>::of(0, a); }
};
template <class T>
struct Min {
  static T of(T a, T b) { return a < b ? a : b; }
};
template <class T>
struct Max {
  static T of(T a, T b) { return a > b ? a : b; }
};
struct MinRelu {
  static int32_t of(int32_t a, int32_t b) { return Max<int32_t>::of(Min<int32_t>::of(a, b), 0); }
};
struct MaxRelu {
  static int32_t of(int32_t a, int32_t b) { return Max<int32_t>::of(Max<int32_t>::of(a, b), 0); }
};
template <class T>
struct Sad {
  static T of(T a, T b, T c) { return Add<T>::of(c, a < b ? Sub<T>::of(b, a) : Sub<T>::of(a, b)); }
};
template <class T>
struct And {
  static T of(T a, T b) { return T(a & b); }
};
template <class T>
struct Or {
  static T of(T a, T b) { return T(a | b); }
};
template <class T>
struct Xor {
  static T of(T a, T b) { return T(a ^ b); }
};
template <class T>
struct Not {
  static T of(T a) { return T(~a); }
};
template <class T>
struct CNot {
  static T of(T a) { return a == 0; }
};
template <class T>
struct Same {
  static T of(T a) { return a; }
};
// Shift counts above the width give 0, or the sign for an arithmetic shift to the right.
template <class T>
struct Shl {
  static T of(T a, uint32_t n) {
    constexpr uint32_t w = sizeof(T) * 8;
    return n < w ? T(Wrap<T>(a) << (n & (w - 1))) : T(0);
  }
};
template <class T>
struct Shr {
  static T of(T a, uint32_t n) {
    constexpr uint32_t w = sizeof(T) * 8;
    if (std::is_signed_v<T>) return T(a >> (n < w ? n : w - 1));
    return n < w ? T(a >> (n & (w - 1))) : T(0);
  }
};

// Two 16-bit numbers in a register.
template <class T, template <class> class F>
struct Pair {
  static uint32_t of(uint32_t a, uint32_t b) {
    return uint32_t(uint16_t(F<T>::of(T(a), T(b)))) |
           uint32_t(uint16_t(F<T>::of(T(a >> 16), T(b >> 16)))) << 16;
  }
};
template <class T, template <class> class F>
struct PairRelu {
  static uint32_t of(uint32_t a, uint32_t b) {
    uint32_t r = Pair<T, F>::of(a, b);
    return (r & 0x8000 ? 0 : r & 0xffff) | (r & 0x80000000 ? 0 : r & 0xffff0000);
  }
};

// The carry of each lane is a predicate: r[1] on the way out (behind the result), the last operand
// in.
template <class T, bool kSub>
const Inst* add_carry(Warp& w, const Inst* in) {
  T* d = lanes<T>(w, in->r[0]);
  const T* a = lanes<T>(w, in->r[2]);
  const T* b = lanes<T>(w, in->r[3]);
  uint32_t carry_in = in->flag ? pred(w, in->r[4]) : 0;
  uint32_t carry_out = 0;
  SIM_ACTIVE(w.mask) {
    T c = carry_in >> i & 1;
    T first = kSub ? a[i] - b[i] : a[i] + b[i];
    bool over = kSub ? a[i] < b[i] : first < a[i];
    T second = kSub ? first - c : first + c;
    over |= kSub ? first < c : second < first;
    d[i] = second;
    carry_out |= uint32_t(over) << i;
  }
  if (in->flag2) write_pred(w, in->r[1], carry_out);
  return in + 1;
}

template <class T>
const Inst* mad_carry(Warp& w, const Inst* in) {
  using U = std::make_unsigned_t<T>;
  U* d = lanes<U>(w, in->r[0]);
  const T* a = lanes<T>(w, in->r[2]);
  const T* b = lanes<T>(w, in->r[3]);
  const U* c = lanes<U>(w, in->r[4]);
  uint32_t carry_in = in->flag ? pred(w, in->r[5]) : 0;
  uint32_t carry_out = 0;
  SIM_ACTIVE(w.mask) {
    U product = U(in->aux ? MulHi<T>::of(a[i], b[i]) : MulLo<T>::of(a[i], b[i]));
    U first = product + c[i];
    U second = first + (carry_in >> i & 1);
    carry_out |= uint32_t(first < product || second < first) << i;
    d[i] = second;
  }
  if (in->flag2) write_pred(w, in->r[1], carry_out);
  return in + 1;
}

template <Op op>
const Inst* logic_pred(Warp& w, const Inst* in) {
  uint32_t a = pred(w, in->r[1]);
  if constexpr (op == Op::And) a &= pred(w, in->r[2]);
  if constexpr (op == Op::Or) a |= pred(w, in->r[2]);
  if constexpr (op == Op::Xor) a ^= pred(w, in->r[2]);
  if constexpr (op == Op::Not) a = ~a;
  write_pred(w, in->r[0], a);
  return in + 1;
}

template <class T>
Handler arithmetic(const Inst& in) {
  switch (in.op) {
    case Op::Add:
      return in.sat ? nullptr : run2<Add<T>, T, T, T>;
    case Op::Sub:
      return in.sat ? nullptr : run2<Sub<T>, T, T, T>;
    case Op::MulLo:
      return run2<MulLo<T>, T, T, T>;
    case Op::MulHi:
      return run2<MulHi<T>, T, T, T>;
    case Op::MadLo:
      return run3<MadLo<T>, T, T, T, T>;
    case Op::MadHi:
      return run3<MadHi<T>, T, T, T, T>;
    case Op::MulWide:
      if constexpr (sizeof(T) < 8) return run2<MulWide<T>, Wider<T>, T, T>;
      return nullptr;
    case Op::MadWide:
      if constexpr (sizeof(T) < 8) return run3<MadWide<T>, Wider<T>, T, T, Wider<T>>;
      return nullptr;
    case Op::Div:
      return slow2<Div<T>, T, T, T>;
    case Op::Rem:
      return slow2<Rem<T>, T, T, T>;
    case Op::Abs:
      return run1<Abs<T>, T, T>;
    case Op::Neg:
      return run1<Neg<T>, T, T>;
    case Op::Min:
      return run2<Min<T>, T, T, T>;
    case Op::Max:
      return run2<Max<T>, T, T, T>;
    case Op::Sad:
      return run3<Sad<T>, T, T, T, T>;
    case Op::Shr:
      return run2<Shr<T>, T, T, uint32_t>;
    case Op::MadCarry:
      if constexpr (sizeof(T) >= 4) return mad_carry<T>;
      return nullptr;
    default:
      return nullptr;
  }
}

template <class T>
Handler logic(const Inst& in) {
  switch (in.op) {
    case Op::Mov:
      return run1<Same<T>, T, T>;
    case Op::And:
      return run2<And<T>, T, T, T>;
    case Op::Or:
      return run2<Or<T>, T, T, T>;
    case Op::Xor:
      return run2<Xor<T>, T, T, T>;
    case Op::Not:
      return run1<Not<T>, T, T>;
    case Op::CNot:
      return run1<CNot<T>, T, T>;
    case Op::Shl:
      return run2<Shl<T>, T, T, uint32_t>;
    case Op::AddCarry:
      if constexpr (sizeof(T) >= 4) return add_carry<T, false>;
      return nullptr;
    case Op::SubCarry:
      if constexpr (sizeof(T) >= 4) return add_carry<T, true>;
      return nullptr;
    default:
      return nullptr;
  }
}

Handler predicates(Op op) {
  switch (op) {
    case Op::Mov:
      return logic_pred<Op::Mov>;
    case Op::And:
      return logic_pred<Op::And>;
    case Op::Or:
      return logic_pred<Op::Or>;
    case Op::Xor:
      return logic_pred<Op::Xor>;
    case Op::Not:
      return logic_pred<Op::Not>;
    default:
      return nullptr;
  }
}

template <class T>
Handler pairs(const Inst& in) {
  switch (in.op) {
    case Op::Add:
      return run2<Pair<T, Add>, uint32_t, uint32_t, uint32_t>;
    case Op::Min:
      return in.flag ? run2<PairRelu<T, Min>, uint32_t, uint32_t, uint32_t>
                     : run2<Pair<T, Min>, uint32_t, uint32_t, uint32_t>;
    case Op::Max:
      return in.flag ? run2<PairRelu<T, Max>, uint32_t, uint32_t, uint32_t>
                     : run2<Pair<T, Max>, uint32_t, uint32_t, uint32_t>;
    default:
      return nullptr;
  }
}

struct Wide128 {
  uint64_t low, high;
};

Handler special_forms(const Inst& in) {
  if (in.type == Type::B128)
    return in.op == Op::Mov ? run1<Same<Wide128>, Wide128, Wide128> : nullptr;
  if (in.type == Type::S16x2) return pairs<int16_t>(in);
  if (in.type == Type::U16x2) return pairs<uint16_t>(in);
  if (in.type == Type::U32 || in.type == Type::S32) {
    bool s = in.type == Type::S32;
    if (in.op == Op::Mul24)
      return s ? slow2<Mul24<int32_t>, int32_t, int32_t, int32_t>
               : slow2<Mul24<uint32_t>, uint32_t, uint32_t, uint32_t>;
    if (in.op == Op::Mad24)
      return s ? slow3<Mad24<int32_t>, int32_t, int32_t, int32_t, int32_t>
               : slow3<Mad24<uint32_t>, uint32_t, uint32_t, uint32_t, uint32_t>;
    if (s && in.op == Op::Add && in.sat) return run2<AddSat, int32_t, int32_t, int32_t>;
    if (s && in.op == Op::Sub && in.sat) return run2<SubSat, int32_t, int32_t, int32_t>;
    if (s && in.op == Op::MadHi && in.sat)
      return run3<MadHiSat, int32_t, int32_t, int32_t, int32_t>;
    if (s && in.op == Op::Min && in.flag) return run2<MinRelu, int32_t, int32_t, int32_t>;
    if (s && in.op == Op::Max && in.flag) return run2<MaxRelu, int32_t, int32_t, int32_t>;
  }
  return nullptr;
}

}  // namespace

Handler select_integer(const Inst& in) {
  if (in.type == Type::Pred) return predicates(in.op);
  if (Handler h = special_forms(in)) return h;
  if (in.type == Type::B128 || in.sat || in.flag) {
    if (in.op != Op::AddCarry && in.op != Op::SubCarry && in.op != Op::MadCarry) return nullptr;
  }
  Handler h = nullptr;
  switch (bits(in.type)) {
    case 8:
      h = logic<uint8_t>(in);
      break;
    case 16:
      h = logic<uint16_t>(in);
      break;
    case 32:
      h = logic<uint32_t>(in);
      break;
    case 64:
      h = logic<uint64_t>(in);
      break;
    default:
      break;
  }
  if (h) return h;
  Type type = in.type;
  if (in.op == Op::Shr && info(type).cls == Class::Bits)
    type = bits(type) == 16 ? Type::U16 : bits(type) == 32 ? Type::U32 : Type::U64;
  switch (type) {
    case Type::U16:
      return arithmetic<uint16_t>(in);
    case Type::S16:
      return arithmetic<int16_t>(in);
    case Type::U32:
      return arithmetic<uint32_t>(in);
    case Type::S32:
      return arithmetic<int32_t>(in);
    case Type::U64:
      return arithmetic<uint64_t>(in);
    case Type::S64:
      return arithmetic<int64_t>(in);
    default:
      return nullptr;
  }
}

}  // namespace sim::ptx::SIM_PTX_CORE
