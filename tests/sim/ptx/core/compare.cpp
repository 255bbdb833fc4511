// SPDX-License-Identifier: Apache-2.0
// Comparison and selection: setp, set, selp, slct.
#include "tests/sim/ptx/core/half.h"

namespace sim::ptx::SIM_PTX_CORE {
namespace {

template <Compare kCompare, class T>
inline bool test(T a, T b) {
  constexpr bool real = std::is_floating_point_v<T>;
  bool unordered = false;
  if constexpr (real) unordered = a != a || b != b;
  switch (kCompare) {
    case Compare::Eq:
      return a == b;
    case Compare::Ne:
      return a != b && !unordered;
    case Compare::Lt:
      return a < b;
    case Compare::Le:
      return a <= b;
    case Compare::Gt:
      return a > b;
    case Compare::Ge:
      return a >= b;
    case Compare::Equ:
      return a == b || unordered;
    case Compare::Neu:
      return a != b;
    case Compare::Ltu:
      return a < b || unordered;
    case Compare::Leu:
      return a <= b || unordered;
    case Compare::Gtu:
      return a > b || unordered;
    case Compare::Geu:
      return a >= b || unordered;
    case Compare::Num:
      return !unordered;
    case Compare::Nan:
      return unordered;
  }
  return false;
}

inline uint32_t combine(Warp& w, const Inst* in, uint32_t p, uint32_t operand) {
  switch (in->combine) {
    case Bool::None:
      return p;
    case Bool::And:
      return p & pred(w, operand);
    case Bool::Or:
      return p | pred(w, operand);
    case Bool::Xor:
      return p ^ pred(w, operand);
  }
  return p;
}

template <class T>
struct Plain {
  using Raw = T;
  static T of(T raw) { return raw; }
};
struct Flushed {
  using Raw = float;
  static float of(float raw) { return flush(raw); }
};
struct FromHalf {
  using Raw = uint16_t;
  static float of(uint16_t raw) { return from_half(raw); }
};
struct FromBf16 {
  using Raw = uint16_t;
  static float of(uint16_t raw) { return from_bf16(raw); }
};

template <class Read, Compare kCompare>
uint32_t compare(Warp& w, uint32_t a_at, uint32_t b_at) {
  const auto* a = lanes<typename Read::Raw>(w, a_at);
  const auto* b = lanes<typename Read::Raw>(w, b_at);
  return gather_mask([=](int i) { return test<kCompare>(Read::of(a[i]), Read::of(b[i])); });
}

// r: p, q, a, b, c
template <class Read, Compare kCompare>
const Inst* setp(Warp& w, const Inst* in) {
  uint32_t result = compare<Read, kCompare>(w, in->r[2], in->r[3]);
  if (in->combine == Bool::None) {
    write_pred(w, in->r[0], result);
    if (in->flag) write_pred(w, in->r[1], ~result);
    return in + 1;
  }
  uint32_t p = combine(w, in, result, in->r[4]), q = combine(w, in, ~result, in->r[4]);
  write_pred(w, in->r[0], p);
  if (in->flag) write_pred(w, in->r[1], q);
  return in + 1;
}

// r: d, -, a, b, c. `width` is 4 (all ones) or, for a float result (in.flag), 1.0.
template <class Read, Compare kCompare>
const Inst* set(Warp& w, const Inst* in) {
  uint32_t result = combine(w, in, compare<Read, kCompare>(w, in->r[2], in->r[3]), in->r[4]);
  if (in->width == 2) {
    uint16_t yes = in->flag ? uint16_t(in->imm) : uint16_t(0xffff);
    write<uint16_t>(w, in->r[0], [=](int i) { return result >> i & 1 ? yes : uint16_t(0); });
  } else {
    uint32_t yes = in->flag ? uint32_t(in->imm) : ~0u;
    write<uint32_t>(w, in->r[0], [=](int i) { return result >> i & 1 ? yes : 0u; });
  }
  return in + 1;
}

// Two halves at once: setp.f16x2 p|q compares low in p and high in q; set.f16x2 fills each half.
template <float (*kRead)(uint16_t), Compare kCompare>
const Inst* pair(Warp& w, const Inst* in) {
  const uint32_t *a = lanes<uint32_t>(w, in->r[2]), *b = lanes<uint32_t>(w, in->r[3]);
  uint32_t low = gather_mask(
      [=](int i) { return test<kCompare>(kRead(uint16_t(a[i])), kRead(uint16_t(b[i]))); });
  uint32_t high = gather_mask([=](int i) {
    return test<kCompare>(kRead(uint16_t(a[i] >> 16)), kRead(uint16_t(b[i] >> 16)));
  });
  low = combine(w, in, low, in->r[4]);
  high = combine(w, in, high, in->r[4]);
  if (in->op == Op::Setp) {
    write_pred(w, in->r[0], low);
    write_pred(w, in->r[1], high);
  } else {
    uint32_t yes = in->flag ? uint32_t(in->imm) : 0xffffu;
    write<uint32_t>(w, in->r[0], [=](int i) {
      return (low >> i & 1 ? yes : 0u) | (high >> i & 1 ? yes << 16 : 0u);
    });
  }
  return in + 1;
}

template <class Read, Compare kCompare>
Handler either(const Inst& in) {
  return in.op == Op::Setp ? setp<Read, kCompare> : set<Read, kCompare>;
}

template <class Read>
Handler any_type(const Inst& in) {
  switch (in.compare) {
    case Compare::Eq:
      return either<Read, Compare::Eq>(in);
    case Compare::Ne:
      return either<Read, Compare::Ne>(in);
    case Compare::Lt:
      return either<Read, Compare::Lt>(in);
    case Compare::Le:
      return either<Read, Compare::Le>(in);
    case Compare::Gt:
      return either<Read, Compare::Gt>(in);
    case Compare::Ge:
      return either<Read, Compare::Ge>(in);
    default:
      return nullptr;
  }
}

template <class Read>
Handler real_type(const Inst& in) {
  if (Handler h = any_type<Read>(in)) return h;
  switch (in.compare) {
    case Compare::Equ:
      return either<Read, Compare::Equ>(in);
    case Compare::Neu:
      return either<Read, Compare::Neu>(in);
    case Compare::Ltu:
      return either<Read, Compare::Ltu>(in);
    case Compare::Leu:
      return either<Read, Compare::Leu>(in);
    case Compare::Gtu:
      return either<Read, Compare::Gtu>(in);
    case Compare::Geu:
      return either<Read, Compare::Geu>(in);
    case Compare::Num:
      return either<Read, Compare::Num>(in);
    case Compare::Nan:
      return either<Read, Compare::Nan>(in);
    default:
      return nullptr;
  }
}

template <float (*kRead)(uint16_t)>
Handler pair_type(const Inst& in) {
  switch (in.compare) {
    case Compare::Eq:
      return pair<kRead, Compare::Eq>;
    case Compare::Ne:
      return pair<kRead, Compare::Ne>;
    case Compare::Lt:
      return pair<kRead, Compare::Lt>;
    case Compare::Le:
      return pair<kRead, Compare::Le>;
    case Compare::Gt:
      return pair<kRead, Compare::Gt>;
    case Compare::Ge:
      return pair<kRead, Compare::Ge>;
    case Compare::Equ:
      return pair<kRead, Compare::Equ>;
    case Compare::Neu:
      return pair<kRead, Compare::Neu>;
    case Compare::Ltu:
      return pair<kRead, Compare::Ltu>;
    case Compare::Leu:
      return pair<kRead, Compare::Leu>;
    case Compare::Gtu:
      return pair<kRead, Compare::Gtu>;
    case Compare::Geu:
      return pair<kRead, Compare::Geu>;
    case Compare::Num:
      return pair<kRead, Compare::Num>;
    case Compare::Nan:
      return pair<kRead, Compare::Nan>;
  }
  return nullptr;
}

// r: d, a, b, p
template <class T>
const Inst* selp(Warp& w, const Inst* in) {
  const T *a = lanes<T>(w, in->r[1]), *b = lanes<T>(w, in->r[2]);
  uint32_t p = pred(w, in->r[3]);
  write<T>(w, in->r[0], [=](int i) { return p >> i & 1 ? a[i] : b[i]; });
  return in + 1;
}

template <class T, class C>
struct Slct {
  static T of(const Inst& in, T a, T b, C c) {
    if constexpr (std::is_floating_point_v<C>) {
      if (in.ftz) c = flush(c);
    }
    return c >= 0 ? a : b;  // NaN selects b
  }
};

template <class T>
Handler select_by_width(const Inst& in) {
  if (in.op == Op::Selp) return selp<T>;
  if (in.from == Type::F32) return slow3<Slct<T, float>, T, T, T, float>;
  return slow3<Slct<T, int32_t>, T, T, T, int32_t>;
}

}  // namespace

Handler select_compare(const Inst& in) {
  if (in.op == Op::Selp || in.op == Op::Slct) {
    switch (bits(in.type)) {
      case 16:
        return select_by_width<uint16_t>(in);
      case 32:
        return select_by_width<uint32_t>(in);
      case 64:
        return select_by_width<uint64_t>(in);
      default:
        return nullptr;
    }
  }
  if (in.op != Op::Setp && in.op != Op::Set) return nullptr;
  switch (in.type) {
    case Type::B16:
    case Type::U16:
      return any_type<Plain<uint16_t>>(in);
    case Type::S16:
      return any_type<Plain<int16_t>>(in);
    case Type::B32:
    case Type::U32:
      return any_type<Plain<uint32_t>>(in);
    case Type::S32:
      return any_type<Plain<int32_t>>(in);
    case Type::B64:
    case Type::U64:
      return any_type<Plain<uint64_t>>(in);
    case Type::S64:
      return any_type<Plain<int64_t>>(in);
    case Type::F32:
      return in.ftz ? real_type<Flushed>(in) : real_type<Plain<float>>(in);
    case Type::F64:
      return real_type<Plain<double>>(in);
    case Type::F16:
      return real_type<FromHalf>(in);
    case Type::BF16:
      return real_type<FromBf16>(in);
    case Type::F16x2:
      return pair_type<from_half>(in);
    case Type::BF16x2:
      return pair_type<from_bf16>(in);
    default:
      return nullptr;
  }
}

}  // namespace sim::ptx::SIM_PTX_CORE
