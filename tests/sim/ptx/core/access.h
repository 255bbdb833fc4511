// SPDX-License-Identifier: Apache-2.0
// From lane addresses to host memory. Bytes behind a device address may be unmapped, and other
// kernels may write them at the same time: peek and poke are outside the sanitizers for that
// reason.
#pragma once

#include "tests/sim/ptx/core/lanes.h"

#define SIM_UNCHECKED __attribute__((no_sanitize("address", "undefined", "thread")))

namespace sim::ptx::SIM_PTX_CORE {
namespace {

template <class M>
SIM_UNCHECKED inline M peek(uint64_t host) {
  return *reinterpret_cast<const volatile M*>(host);
}
template <class M>
SIM_UNCHECKED inline void poke(uint64_t host, M value) {
  *reinterpret_cast<volatile M*>(host) = value;
}
template <class M, class R>
SIM_UNCHECKED inline void peek_row(uint64_t host, R* d) {
  const M* p = reinterpret_cast<const M*>(host);
  SIM_LANES d[i] = R(p[i]);
}
template <class M, class R>
SIM_UNCHECKED inline void poke_row(uint64_t host, const R* d) {
  M* p = reinterpret_cast<M*>(host);
  SIM_LANES p[i] = M(d[i]);
}
template <class M, class R>
SIM_UNCHECKED inline void peek_all(const uint64_t* host, uint64_t add, R* d) {
  for (int i = 0; i < kLanes; ++i) d[i] = R(*reinterpret_cast<const M*>(host[i] + add));
}
template <class M, class R>
SIM_UNCHECKED inline void poke_all(const uint64_t* host, uint64_t add, const R* d) {
  for (int i = 0; i < kLanes; ++i) *reinterpret_cast<M*>(host[i] + add) = M(d[i]);
}

// A compare-and-swap or a volatile load is what programs wait with: whoever is waited for, perhaps
// in the same warp, should run soon. (With full slices a lock cost a millisecond a lane.)
inline void poll(Warp& w) {
  constexpr uint64_t kPatience = 64;
  w.polling = true;
  if (w.slice_end > w.steps + kPatience) w.slice_end = w.steps + kPatience;
}

enum class Pattern { Uniform, Row, Scattered };

// Host addresses of one access of the active lanes.
struct Access {
  alignas(64) uint64_t host[kLanes];  // valid for the active lanes; Row and Uniform: at least [0]
  Pattern pattern;
  unsigned remote = 0;  // lanes whose bytes cross the link
};

constexpr int kGranuleShift = 21;

inline bool is_remote(const Warp& w, uint64_t address) {
  const uint64_t offset = address - w.window_base;
  if (offset >= w.window_size) return true;
  return w.on_host && w.on_host[offset >> kGranuleShift].load(std::memory_order_relaxed);
}

// Of plain addresses, before they are host pointers. Most accesses lie in one granule.
inline unsigned count_remote(const Warp& w, const uint64_t* a, Pattern pattern) {
  const uint64_t first = a[std::countr_zero(w.mask)];
  if (pattern == Pattern::Uniform) return is_remote(w, first);
  uint64_t spread = 0;
  SIM_LANES spread |= a[i] ^ first;
  if (spread >> kGranuleShift == 0) {
    return is_remote(w, first) ? unsigned(std::popcount(w.mask)) : 0;
  }
  unsigned count = 0;
  SIM_ACTIVE(w.mask) count += is_remote(w, a[i]);
  return count;
}

// Row: lane i at lane 0 plus i * bytes. Inactive lanes count as the first active one.
inline Pattern classify(const uint64_t* a, uint64_t bytes) {
  uint64_t row = 0, same = 0;
  const uint64_t first = a[0];
  SIM_LANES {
    row |= (a[i] - first) ^ (uint64_t(i) * bytes);
    same |= a[i] ^ first;
  }
  return same == 0 ? Pattern::Uniform : row == 0 ? Pattern::Row : Pattern::Scattered;
}

template <class A>
inline void fetch_addresses(Warp& w, const Inst* in, const A* base, uint64_t* a) {
  const uint64_t add = uint64_t(in->imm);
  if (w.mask == ~0u) {
    SIM_LANES a[i] = uint64_t(base[i]) + add;
  } else {
    const uint32_t m = w.mask;
    const uint64_t spare = uint64_t(base[std::countr_zero(m)]) + add;
    SIM_LANES a[i] = (m >> i & 1) ? uint64_t(base[i]) + add : spare;
  }
}

[[gnu::cold, gnu::noinline]] inline void stop_at_bad(Warp& w, const uint64_t* a, unsigned bytes,
                                                     uint64_t limit, uint64_t window) {
  SIM_ACTIVE(w.mask) {
    if (a[i] & (bytes - 1)) stop(w, Outcome::Misaligned, window + a[i]);
    if (a[i] + bytes > limit || a[i] + bytes < a[i])
      stop(w, Outcome::IllegalAddress, window + a[i]);
  }
}

// `bytes` is the whole access of one lane (a power of two), `operand` the address register.
inline void resolve_global(Warp& w, Access& x, unsigned bytes, bool generic) {
  uint64_t* a = x.host;
  uint64_t any = 0, low = 0;
  SIM_LANES {
    any |= a[i];
    low |= a[i];
  }
  if (any >> 47) [[unlikely]] {
    // Shared, local or parameter windows, or garbage: lane by lane.
    SIM_ACTIVE(w.mask) {
      if (a[i] & (bytes - 1)) stop(w, Outcome::Misaligned, a[i]);
      if (a[i] >> 47) {
        if (!generic && a[i] - kParamWindow >= kWindowSize) stop(w, Outcome::IllegalAddress, a[i]);
        a[i] = special_address(w, a[i], bytes, i);
      } else {
        x.remote += is_remote(w, a[i]);
        if (a[i] - w.window_base < w.window_size) a[i] += uint64_t(w.window_delta);
      }
    }
    x.pattern = Pattern::Scattered;
    return;
  }
  if (low & (bytes - 1)) [[unlikely]]
    stop_at_bad(w, a, bytes, ~0ull, 0);
  const uint64_t base = w.window_base, size = w.window_size, delta = uint64_t(w.window_delta);
  x.pattern = classify(a, bytes);
  x.remote = count_remote(w, a, x.pattern);
  SIM_LANES a[i] += a[i] - base < size ? delta : 0;
}

inline void resolve_shared(Warp& w, Access& x, unsigned bytes) {
  uint64_t* a = x.host;
  uint64_t low = 0, over = 0;
  const uint64_t limit = w.shared_size - bytes;  // size < bytes wraps; caught by the second test
  SIM_LANES {
    low |= a[i];
    over |= uint64_t(a[i] > limit);
  }
  if ((low & (bytes - 1)) || over || w.shared_size < bytes) [[unlikely]] {
    SIM_ACTIVE(w.mask) {  // a generic address of shared memory is accepted too
      if (a[i] - kSharedWindow < kWindowSize) a[i] -= kSharedWindow;
      if (a[i] & ~uint64_t(~0u)) stop(w, Outcome::IllegalAddress, a[i]);
    }
    stop_at_bad(w, a, bytes, w.shared_size, kSharedWindow);
    uint64_t spare = a[std::countr_zero(w.mask)];
    SIM_LANES a[i] = w.mask >> i & 1 ? a[i] : spare;
  }
  const uint64_t shared = reinterpret_cast<uint64_t>(w.shared);
  SIM_LANES a[i] += shared;
  x.pattern = classify(a, bytes);
}

inline void resolve_local(Warp& w, Access& x, unsigned bytes) {
  SIM_ACTIVE(w.mask) {
    uint64_t a = x.host[i];
    if (a - kLocalWindow < kWindowSize) a -= kLocalWindow;
    if (a & (bytes - 1)) stop(w, Outcome::Misaligned, kLocalWindow + a);
    if (a > w.local_size || w.local_size - a < bytes)
      stop(w, Outcome::IllegalAddress, kLocalWindow + a);
    x.host[i] = reinterpret_cast<uint64_t>(w.local) + a + uint64_t(i) * w.local_stride;
  }
  x.pattern = Pattern::Scattered;
}

// in->flag on a Local access: the displacement counts from the current function's area.
inline void resolve(Warp& w, const Inst* in, uint32_t operand, unsigned bytes, Access& x) {
  w.at = in;
  if (in->width2 == 8) {
    fetch_addresses(w, in, lanes<uint64_t>(w, operand), x.host);
  } else {
    fetch_addresses(w, in, lanes<uint32_t>(w, operand), x.host);
    if (in->imm && in->space != Space::Global && in->space != Space::Generic) {
      SIM_LANES x.host[i] = uint32_t(x.host[i]);  // 32-bit addresses wrap
    }
  }
  switch (in->space) {
    case Space::Shared:
      return resolve_shared(w, x, bytes);
    case Space::Local:
      if (in->flag) {
        SIM_LANES x.host[i] += w.local_base;
      }
      return resolve_local(w, x, bytes);
    case Space::Param:
      if (in->flag) {  // a constant address: one for all lanes, checked when it was lowered
        const uint64_t host = reinterpret_cast<uint64_t>(w.grid->params) + uint64_t(in->imm);
        SIM_LANES x.host[i] = host;
        x.pattern = Pattern::Uniform;
        return;
      }
      SIM_LANES x.host[i] += x.host[i] < kParamWindow ? kParamWindow : 0;
      return resolve_global(w, x, bytes, true);
    case Space::Generic:
      return resolve_global(w, x, bytes, true);
    case Space::Global:
    case Space::Const:
      return resolve_global(w, x, bytes, false);
  }
}

// What the access moves: `bytes` for each lane.
inline void count_loaded(Warp& w, const Inst* in, const Access& x, unsigned bytes) {
  if (in->space != Space::Global && in->space != Space::Generic) return;
  w.bytes_loaded += uint64_t{bytes} * unsigned(std::popcount(w.mask));
  w.link_loaded += uint64_t{bytes} * x.remote;
}
inline void count_stored(Warp& w, const Inst* in, const Access& x, unsigned bytes) {
  if (in->space != Space::Global && in->space != Space::Generic) return;
  w.bytes_stored += uint64_t{bytes} * unsigned(std::popcount(w.mask));
  w.link_stored += uint64_t{bytes} * x.remote;
}

}  // namespace
}  // namespace sim::ptx::SIM_PTX_CORE
