// SPDX-License-Identifier: Apache-2.0
// Loads and stores, fences, address-space conversions.
#include <atomic>

#include "tests/sim/ptx/core/access.h"

namespace sim::ptx::SIM_PTX_CORE {
namespace {

struct Wide128 {
  uint64_t low, high;
};

// r: address, then the element registers; for a load the elements come first (they are the defs).
template <class M, class R>
const Inst* ld(Warp& w, const Inst* in) {
  const unsigned n = in->vec;
  Access x;
  resolve(w, in, in->r[n], sizeof(M) * n, x);
  count_loaded(w, in, x, sizeof(M) * n);
  if (w.mask == ~0u) {
    if (n == 1 && x.pattern == Pattern::Row) {
      peek_row<M, R>(x.host[0], lanes<R>(w, in->r[0]));
      return in + 1;
    }
    for (unsigned k = 0; k < n; ++k) {
      R* d = lanes<R>(w, in->r[k]);
      if (x.pattern == Pattern::Uniform) {
        const R value = R(peek<M>(x.host[0] + k * sizeof(M)));
        SIM_LANES d[i] = value;
      } else {
        peek_all<M, R>(x.host, k * sizeof(M), d);
      }
    }
    return in + 1;
  }
  for (unsigned k = 0; k < n; ++k) {
    R* d = lanes<R>(w, in->r[k]);
    SIM_ACTIVE(w.mask) d[i] = R(peek<M>(x.host[i] + k * sizeof(M)));
  }
  return in + 1;
}

template <class M, class R>
const Inst* st(Warp& w, const Inst* in) {
  const unsigned n = in->vec;
  Access x;
  resolve(w, in, in->r[0], sizeof(M) * n, x);
  count_stored(w, in, x, sizeof(M) * n);
  if (w.mask == ~0u) {
    if (n == 1 && x.pattern == Pattern::Row) {
      poke_row<M, R>(x.host[0], lanes<R>(w, in->r[1]));
      return in + 1;
    }
    for (unsigned k = 0; k < n; ++k)
      poke_all<M, R>(x.host, k * sizeof(M), lanes<R>(w, in->r[1 + k]));
    return in + 1;
  }
  for (unsigned k = 0; k < n; ++k) {
    const R* s = lanes<R>(w, in->r[1 + k]);
    SIM_ACTIVE(w.mask) poke<M>(x.host[i] + k * sizeof(M), M(s[i]));
  }
  return in + 1;
}

const Inst* ld128(Warp& w, const Inst* in) {
  Access x;
  resolve(w, in, in->r[1], 16, x);
  count_loaded(w, in, x, 16);
  Wide128* d = lanes<Wide128>(w, in->r[0]);
  SIM_ACTIVE(w.mask) d[i] = {peek<uint64_t>(x.host[i]), peek<uint64_t>(x.host[i] + 8)};
  return in + 1;
}
const Inst* st128(Warp& w, const Inst* in) {
  Access x;
  resolve(w, in, in->r[0], 16, x);
  count_stored(w, in, x, 16);
  const Wide128* d = lanes<Wide128>(w, in->r[1]);
  SIM_ACTIVE(w.mask) {
    poke(x.host[i], d[i].low);
    poke(x.host[i] + 8, d[i].high);
  }
  return in + 1;
}

// Volatile, relaxed, acquire, release: the plain access and a fence on the right side of it.
template <Handler kHandler, bool kBefore>
const Inst* fenced(Warp& w, const Inst* in) {
  if (kBefore) std::atomic_thread_fence(std::memory_order_seq_cst);
  const Inst* next = kHandler(w, in);
  if (!kBefore) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    poll(w);
  }
  return next;
}

template <class M, class R>
Handler access_of(const Inst& in) {
  if (in.op == Op::Ld) return in.flag2 ? fenced<ld<M, R>, false> : ld<M, R>;
  if constexpr (std::is_unsigned_v<M>) return in.flag2 ? fenced<st<M, R>, true> : st<M, R>;
  return nullptr;
}

// The register may be wider than what is loaded: signed types extend their sign.
template <class M, class SM>
Handler by_register(const Inst& in) {
  bool s = in.op == Op::Ld && is_signed(in.type);
  switch (in.width) {
    case 1:
      if constexpr (sizeof(M) <= 1) return access_of<M, uint8_t>(in);
      return nullptr;
    case 2:
      if constexpr (sizeof(M) <= 2)
        return s ? access_of<SM, int16_t>(in) : access_of<M, uint16_t>(in);
      return nullptr;
    case 4:
      if constexpr (sizeof(M) <= 4)
        return s ? access_of<SM, int32_t>(in) : access_of<M, uint32_t>(in);
      return nullptr;
    case 8:
      return s ? access_of<SM, int64_t>(in) : access_of<M, uint64_t>(in);
    default:
      return nullptr;
  }
}

const Inst* fence(Warp&, const Inst* in) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return in + 1;
}

inline uint64_t window_of(Space space) {
  switch (space) {
    case Space::Shared:
      return kSharedWindow;
    case Space::Local:
      return kLocalWindow;
    case Space::Param:
      return kParamWindow;
    case Space::Global:
    case Space::Const:
    case Space::Generic:
      return 0;
  }
  return 0;
}

// cvta.space: a specific address made generic; cvta.to.space: back.
template <class R, bool kTo>
const Inst* cvta(Warp& w, const Inst* in) {
  const R* a = lanes<R>(w, in->r[1]);
  const uint64_t window = window_of(in->space);
  write<R>(w, in->r[0], [=](int i) {
    uint64_t v = a[i];
    if (window == 0) return R(v);
    if (kTo) return R(v - window < kWindowSize ? v - window : v);
    return R(v < kWindowSize ? v + window : v);
  });
  return in + 1;
}

const Inst* isspacep(Warp& w, const Inst* in) {
  const uint64_t* a = lanes<uint64_t>(w, in->r[1]);
  const Space space = in->space;
  const uint64_t window = window_of(space);
  write_pred(w, in->r[0], gather_mask([=](int i) {
               if (window) return a[i] - window < kWindowSize;
               return space == Space::Global && a[i] >> 47 == 0;
             }));
  return in + 1;
}

}  // namespace

Handler select_memory(const Inst& in) {
  switch (in.op) {
    case Op::Ld:
    case Op::St:
      switch (bits(in.type)) {
        case 8:
          return by_register<uint8_t, int8_t>(in);
        case 16:
          return by_register<uint16_t, int16_t>(in);
        case 32:
          return by_register<uint32_t, int32_t>(in);
        case 64:
          return by_register<uint64_t, int64_t>(in);
        case 128:
          return in.vec != 1 ? nullptr : in.op == Op::Ld ? ld128 : st128;
        default:
          return nullptr;
      }
    case Op::Fence:
      return fence;
    case Op::CvtaTo:
      return in.width == 8 ? cvta<uint64_t, true> : cvta<uint32_t, true>;
    case Op::CvtaFrom:
      return in.width == 8 ? cvta<uint64_t, false> : cvta<uint32_t, false>;
    case Op::Isspacep:
      return isspacep;
    default:
      return nullptr;
  }
}

}  // namespace sim::ptx::SIM_PTX_CORE
