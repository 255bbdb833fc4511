// SPDX-License-Identifier: Apache-2.0
// Helpers of the instruction handlers. The core is compiled several times, for different CPUs, each
// in its own namespace, and everything here has internal linkage: an inline function shared between
// the copies could otherwise be taken from the one this CPU cannot run.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "tests/sim/ptx/warp.h"

#if defined(__clang__)
#define SIM_LANES _Pragma("clang loop vectorize(assume_safety)") for (int i = 0; i < kLanes; ++i)
#else
#define SIM_LANES _Pragma("GCC ivdep") for (int i = 0; i < kLanes; ++i)
#endif
// One statement a lane, and one that only the lanes of the mask do (it may fault).
#define SIM_ACTIVE(mask)                                   \
  for (uint32_t left_ = (mask); left_; left_ &= left_ - 1) \
    if (int i = std::countr_zero(left_); true)

namespace sim::ptx::SIM_PTX_CORE {
namespace {

template <class T>
[[gnu::always_inline]] inline T* lanes(Warp& w, uint32_t offset) {
  return static_cast<T*>(__builtin_assume_aligned(w.frame + offset, 32));
}
[[gnu::always_inline]] inline uint32_t& pred(Warp& w, uint32_t offset) {
  return *reinterpret_cast<uint32_t*>(w.frame + offset);
}

// d[i] = f(i) for the active lanes. f must be harmless for the others: it is evaluated for all.
template <class D, class F>
[[gnu::always_inline]] inline void write(Warp& w, uint32_t offset, F f) {
  D* d = lanes<D>(w, offset);
  if (w.mask == ~0u) {
    SIM_LANES d[i] = f(i);
  } else {
    const uint32_t m = w.mask;
    SIM_LANES {
      D value = f(i);
      d[i] = (m >> i & 1) ? value : d[i];
    }
  }
}

template <class F>
[[gnu::always_inline]] inline uint32_t gather_mask(F f) {
  uint32_t result = 0;
  SIM_LANES result |= f(i) ? 1u << i : 0u;
  return result;
}

[[gnu::always_inline]] inline void write_pred(Warp& w, uint32_t offset, uint32_t value) {
  uint32_t& d = pred(w, offset);
  d = (d & ~w.mask) | (value & w.mask);
}

template <class F, class D, class A>
const Inst* run1(Warp& w, const Inst* in) {
  const A* a = lanes<A>(w, in->r[1]);
  write<D>(w, in->r[0], [=](int i) { return F::of(a[i]); });
  return in + 1;
}
template <class F, class D, class A, class B>
const Inst* run2(Warp& w, const Inst* in) {
  const A* a = lanes<A>(w, in->r[1]);
  const B* b = lanes<B>(w, in->r[2]);
  write<D>(w, in->r[0], [=](int i) { return F::of(a[i], b[i]); });
  return in + 1;
}
template <class F, class D, class A, class B, class C>
const Inst* run3(Warp& w, const Inst* in) {
  const A* a = lanes<A>(w, in->r[1]);
  const B* b = lanes<B>(w, in->r[2]);
  const C* c = lanes<C>(w, in->r[3]);
  write<D>(w, in->r[0], [=](int i) { return F::of(a[i], b[i], c[i]); });
  return in + 1;
}
// The same for operations with options that are looked at inside: F::of(inst, a, ...).
template <class F, class D, class A>
const Inst* slow1(Warp& w, const Inst* in) {
  const A* a = lanes<A>(w, in->r[1]);
  D* d = lanes<D>(w, in->r[0]);
  SIM_ACTIVE(w.mask) d[i] = F::of(*in, a[i]);
  return in + 1;
}
template <class F, class D, class A, class B>
const Inst* slow2(Warp& w, const Inst* in) {
  const A* a = lanes<A>(w, in->r[1]);
  const B* b = lanes<B>(w, in->r[2]);
  D* d = lanes<D>(w, in->r[0]);
  SIM_ACTIVE(w.mask) d[i] = F::of(*in, a[i], b[i]);
  return in + 1;
}
template <class F, class D, class A, class B, class C>
const Inst* slow3(Warp& w, const Inst* in) {
  const A* a = lanes<A>(w, in->r[1]);
  const B* b = lanes<B>(w, in->r[2]);
  const C* c = lanes<C>(w, in->r[3]);
  D* d = lanes<D>(w, in->r[0]);
  SIM_ACTIVE(w.mask) d[i] = F::of(*in, a[i], b[i], c[i]);
  return in + 1;
}

}  // namespace

// One per file of the core; null: not an operation of that file, or not with these options.
Handler select_integer(const Inst& in);
Handler select_bits(const Inst& in);
Handler select_float(const Inst& in);
Handler select_half(const Inst& in);
Handler select_compare(const Inst& in);
Handler select_convert(const Inst& in);
Handler select_memory(const Inst& in);
Handler select_atomic(const Inst& in);
Handler select_lanes(const Inst& in);

}  // namespace sim::ptx::SIM_PTX_CORE
