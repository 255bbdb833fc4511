// SPDX-License-Identifier: Apache-2.0
// atom and red: real atomic operations on host memory, lane after lane.
#include <atomic>

#include "tests/sim/ptx/core/access.h"
#include "tests/sim/ptx/core/half.h"

namespace sim::ptx::SIM_PTX_CORE {
namespace {

// Compare-and-swap loop for everything the host has no instruction for. F::of(old, b, c).
template <class U, class F>
SIM_UNCHECKED inline U update(uint64_t host, F f) {
  U* p = reinterpret_cast<U*>(host);
  U old = __atomic_load_n(p, __ATOMIC_SEQ_CST);
  while (!__atomic_compare_exchange_n(p, &old, f(old), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
  }
  return old;
}

template <class T>
SIM_UNCHECKED inline T integer_step(AtomOp op, uint64_t host, T b, T c) {
  using U = std::make_unsigned_t<T>;
  U* p = reinterpret_cast<U*>(host);
  switch (op) {
    case AtomOp::Add:
      return T(__atomic_fetch_add(p, U(b), __ATOMIC_SEQ_CST));
    case AtomOp::And:
      return T(__atomic_fetch_and(p, U(b), __ATOMIC_SEQ_CST));
    case AtomOp::Or:
      return T(__atomic_fetch_or(p, U(b), __ATOMIC_SEQ_CST));
    case AtomOp::Xor:
      return T(__atomic_fetch_xor(p, U(b), __ATOMIC_SEQ_CST));
    case AtomOp::Exch:
      return T(__atomic_exchange_n(p, U(b), __ATOMIC_SEQ_CST));
    case AtomOp::Cas: {
      U expected = U(b);
      __atomic_compare_exchange_n(p, &expected, U(c), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
      return T(expected);
    }
    case AtomOp::Min:
      return T(update<U>(host, [=](U o) { return T(o) < b ? o : U(b); }));
    case AtomOp::Max:
      return T(update<U>(host, [=](U o) { return T(o) > b ? o : U(b); }));
    case AtomOp::Inc:
      return T(update<U>(host, [=](U o) { return o >= U(b) ? U(0) : U(o + 1); }));
    case AtomOp::Dec:
      return T(update<U>(host, [=](U o) { return o == 0 || o > U(b) ? U(b) : U(o - 1); }));
  }
  return 0;
}

// Floating types travel as their bits.
struct F32 {
  using Bits = uint32_t;
  static uint32_t step(AtomOp op, uint32_t old, uint32_t b) {
    float x = std::bit_cast<float>(old), y = std::bit_cast<float>(b);
    float r = op == AtomOp::Add   ? canonical(x + y)
              : op == AtomOp::Min ? smaller(x, y, false)
                                  : larger(x, y, false);
    return std::bit_cast<uint32_t>(r);
  }
};
struct F64 {
  using Bits = uint64_t;
  static uint64_t step(AtomOp, uint64_t old, uint64_t b) {
    return std::bit_cast<uint64_t>(
        canonical(std::bit_cast<double>(old) + std::bit_cast<double>(b)));
  }
};
template <float (*kRead)(uint16_t), uint16_t (*kWrite)(double, Round)>
struct Half {
  using Bits = uint16_t;
  static uint16_t step(AtomOp op, uint16_t old, uint16_t b) {
    float x = kRead(old), y = kRead(b);
    return kWrite(op == AtomOp::Add   ? double(x) + double(y)
                  : op == AtomOp::Min ? double(smaller(x, y, false))
                                      : double(larger(x, y, false)),
                  Round::Near);
  }
};
template <class H>
struct HalfPair {
  using Bits = uint32_t;
  static uint32_t step(AtomOp op, uint32_t old, uint32_t b) {
    return uint32_t(H::step(op, uint16_t(old), uint16_t(b))) |
           uint32_t(H::step(op, uint16_t(old >> 16), uint16_t(b >> 16))) << 16;
  }
};

inline void count(Warp& w, const Inst* in, const Access& x, unsigned size) {
  count_loaded(w, in, x, size * in->vec);
  count_stored(w, in, x, size * in->vec);
}

// r: d, address, b, c; red has no use for d and gets a scratch register.
template <class T>
const Inst* integer(Warp& w, const Inst* in) {
  Access x;
  resolve(w, in, in->r[1], sizeof(T), x);
  count(w, in, x, sizeof(T));
  T* d = lanes<T>(w, in->r[0]);
  const T *b = lanes<T>(w, in->r[2]), *c = lanes<T>(w, in->r[3]);
  const auto op = static_cast<AtomOp>(in->aux);
  if (op == AtomOp::Cas || op == AtomOp::Exch) poll(w);
  SIM_ACTIVE(w.mask) d[i] = integer_step<T>(op, x.host[i], b[i], c[i]);
  return in + 1;
}

// Vector forms (atom.global.v4.f32): r = d0.., address, b0..; each element is atomic by itself.
template <class F>
const Inst* real(Warp& w, const Inst* in) {
  using U = typename F::Bits;
  const unsigned n = in->vec;
  Access x;
  resolve(w, in, in->r[n], sizeof(U) * n, x);
  count(w, in, x, sizeof(U));
  const auto op = static_cast<AtomOp>(in->aux);
  for (unsigned k = 0; k < n; ++k) {
    U* d = lanes<U>(w, in->r[k]);
    const U* b = lanes<U>(w, in->r[n + 1 + k]);
    SIM_ACTIVE(w.mask)
    d[i] = update<U>(x.host[i] + k * sizeof(U), [&](U old) { return F::step(op, old, b[i]); });
  }
  return in + 1;
}

struct Wide128 {
  uint64_t low, high;
};
// No portable 16-byte instruction: 128-bit atomics exclude each other by one lock.
std::atomic_flag wide_lock = ATOMIC_FLAG_INIT;

const Inst* wide(Warp& w, const Inst* in) {
  Access x;
  resolve(w, in, in->r[1], 16, x);
  count(w, in, x, 16);
  Wide128* d = lanes<Wide128>(w, in->r[0]);
  const Wide128 *b = lanes<Wide128>(w, in->r[2]), *c = lanes<Wide128>(w, in->r[3]);
  const bool cas = static_cast<AtomOp>(in->aux) == AtomOp::Cas;
  SIM_ACTIVE(w.mask) {
    // Both halves are touched before the lock is taken: a fault must not leave it held.
    poke(x.host[i], peek<uint64_t>(x.host[i]));
    poke(x.host[i] + 8, peek<uint64_t>(x.host[i] + 8));
    while (wide_lock.test_and_set(std::memory_order_acquire)) {
    }
    Wide128 old{peek<uint64_t>(x.host[i]), peek<uint64_t>(x.host[i] + 8)};
    Wide128 value = cas ? c[i] : b[i];
    if (!cas || (old.low == b[i].low && old.high == b[i].high)) {
      poke(x.host[i], value.low);
      poke(x.host[i] + 8, value.high);
    }
    d[i] = old;
    wide_lock.clear(std::memory_order_release);
  }
  return in + 1;
}

// Global memory to shared memory at once: legal, since nobody may look before the wait. r:
// destination (shared address), source, and the number of bytes to take (the rest is zero) when
// `flag2`.
const Inst* cp_async(Warp& w, const Inst* in) {
  Inst to = *in, from = *in;
  to.space = Space::Shared;
  to.width2 = in->width;
  from.space = Space::Global;
  from.imm = 0;  // the lowering has added it
  Access d, s;
  const unsigned size = in->vec;
  resolve(w, &to, in->r[0], size, d);
  resolve(w, &from, in->r[1], size, s);
  w.at = in;
  const uint32_t* take = lanes<uint32_t>(w, in->r[2]);
  count_loaded(w, &from, s, size);
  SIM_ACTIVE(w.mask) {
    const uint32_t n = in->flag2 ? take[i] : size;
    for (unsigned k = 0; k < size; k += 4)
      poke<uint32_t>(d.host[i] + k, k + 4 <= n ? peek<uint32_t>(s.host[i] + k) : 0);
    if (n < size && n % 4) {
      for (unsigned k = n & ~3u; k < n; ++k) poke(d.host[i] + k, peek<uint8_t>(s.host[i] + k));
    }
  }
  return in + 1;
}

}  // namespace

Handler select_atomic(const Inst& in) {
  if (in.op == Op::CpAsync) return cp_async;
  if (in.op != Op::Atom) return nullptr;
  const auto op = static_cast<AtomOp>(in.aux);
  const bool ordered = op == AtomOp::Add || op == AtomOp::Min || op == AtomOp::Max;
  switch (in.type) {
    case Type::B16:
    case Type::U16:
      return op == AtomOp::Cas ? integer<uint16_t> : nullptr;
    case Type::B32:
    case Type::U32:
      return integer<uint32_t>;
    case Type::S32:
      return integer<int32_t>;
    case Type::B64:
    case Type::U64:
      return integer<uint64_t>;
    case Type::S64:
      return integer<int64_t>;
    case Type::B128:
      return op == AtomOp::Cas || op == AtomOp::Exch ? wide : nullptr;
    case Type::F32:
      return ordered ? real<F32> : nullptr;
    case Type::F64:
      return op == AtomOp::Add ? real<F64> : nullptr;
    case Type::F16:
      return ordered ? real<Half<from_half, to_half>> : nullptr;
    case Type::BF16:
      return ordered ? real<Half<from_bf16, to_bf16>> : nullptr;
    case Type::F16x2:
      return ordered ? real<HalfPair<Half<from_half, to_half>>> : nullptr;
    case Type::BF16x2:
      return ordered ? real<HalfPair<Half<from_bf16, to_bf16>>> : nullptr;
    default:
      return nullptr;
  }
}

}  // namespace sim::ptx::SIM_PTX_CORE
