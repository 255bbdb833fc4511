// SPDX-License-Identifier: Apache-2.0
// Texture fetches and surface accesses, lane after lane. Out of range is the edge mode's business
// for a texture, a fault for a surface unless the instruction says otherwise.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tests/sim/ptx/builtin.h"
#include "tests/sim/ptx/device_call.h"

namespace sim::ptx {
namespace {

using Edge = Texture::Edge;

char* host_of(const Warp& w, uint64_t address) {
  const bool inside = address - w.window_base < w.window_size;
  return reinterpret_cast<char*>(inside ? address + static_cast<uint64_t>(w.window_delta)
                                        : address);
}

float half_value(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float value = exponent == 31  ? (fraction ? NAN : INFINITY)
                : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  return bits >> 15 ? -value : value;
}

// One channel as the bits of a float, or as an integer.
uint32_t channel(const Texture& t, const char* at) {
  uint32_t raw = 0;
  for (unsigned i = 0; i < t.bytes; ++i) {
    reinterpret_cast<char*>(&raw)[i] = const_cast<const volatile char*>(at)[i];
  }
  const unsigned bits = 8 * t.bytes;
  if (t.kind == Texture::Kind::Float) {
    return t.bytes == 2 ? std::bit_cast<uint32_t>(half_value(static_cast<uint16_t>(raw))) : raw;
  }
  const int32_t number = t.kind == Texture::Kind::Signed
                             ? static_cast<int32_t>(raw << (32 - bits)) >> (32 - bits)
                             : static_cast<int32_t>(raw);
  if (!t.values_normalized) return static_cast<uint32_t>(number);
  const double most =
      std::ldexp(1.0, static_cast<int>(bits - (t.kind == Texture::Kind::Signed ? 1 : 0))) - 1;
  const double value = t.kind == Texture::Kind::Signed ? std::max(number / most, -1.0) : raw / most;
  return std::bit_cast<uint32_t>(static_cast<float>(value));
}

// -1: outside, where the border's zero is.
int64_t place(int64_t at, size_t size, Edge edge) {
  const auto n = static_cast<int64_t>(size);
  if (at >= 0 && at < n) return at;
  switch (edge) {
    case Edge::Wrap:
      return ((at % n) + n) % n;
    case Edge::Clamp:
      return std::clamp<int64_t>(at, 0, n - 1);
    case Edge::Mirror: {
      const int64_t period = ((at % (2 * n)) + 2 * n) % (2 * n);
      return period < n ? period : 2 * n - 1 - period;
    }
    case Edge::Border:
      break;
  }
  return -1;
}

void texel(Warp& w, const Texture& t, int64_t x, int64_t y, uint32_t* out) {
  x = place(x, t.width, t.edges[0]);
  y = place(y, t.height, t.edges[1]);
  std::fill_n(out, 4, 0u);
  if (x < 0 || y < 0) return;
  const uint64_t at = t.address + static_cast<uint64_t>(y) * t.pitch +
                      static_cast<uint64_t>(x) * t.bytes * t.channels;
  for (unsigned c = 0; c < t.channels; ++c) out[c] = channel(t, host_of(w, at + c * t.bytes));
}

// Weights have 8 bits of fraction, as on hardware.
void interpolated(Warp& w, const Texture& t, float x, float y, uint32_t* out) {
  const auto split = [](float at, int64_t* low) {
    *low = static_cast<int64_t>(std::floor(at - 0.5f));
    return std::round((at - 0.5f - static_cast<float>(*low)) * 256) / 256;
  };
  int64_t x0, y0 = 0;
  const float fx = split(x, &x0), fy = t.height > 1 ? split(y, &y0) : 0;
  float sum[4] = {};
  for (int corner = 0; corner < 4; ++corner) {
    const int dx = corner & 1, dy = corner >> 1;
    const float weight = (dx ? fx : 1 - fx) * (dy ? fy : 1 - fy);
    if (weight == 0) continue;
    uint32_t value[4];
    texel(w, t, x0 + dx, y0 + dy, value);
    for (int c = 0; c < 4; ++c) sum[c] += weight * std::bit_cast<float>(value[c]);
  }
  for (int c = 0; c < 4; ++c) out[c] = std::bit_cast<uint32_t>(sum[c]);
}

void fetch(Warp& w, const Inst& in, const Texture& t, int lane, uint32_t* out) {
  const uint32_t* r = in.r.data() + in.vec + 1;
  if (in.from == Type::F32) {
    float x = lane_of<float>(w, r[0], lane), y = in.width2 > 1 ? lane_of<float>(w, r[1], lane) : 0;
    if (t.normalized) {
      x *= static_cast<float>(t.width);
      y *= static_cast<float>(t.height);
    }
    if (t.linear) return interpolated(w, t, x, y, out);
    return texel(w, t, static_cast<int64_t>(std::floor(x)), static_cast<int64_t>(std::floor(y)),
                 out);
  }
  const int64_t x = lane_of<int32_t>(w, r[0], lane);
  texel(w, t, x, in.width2 > 1 ? lane_of<int32_t>(w, r[1], lane) : 0, out);
}

// x counts bytes. Null: out of range, and the instruction does not mind.
char* surface_place(Warp& w, const Inst& in, const Texture& t, int lane) {
  const uint32_t* r = in.r.data() + in.vec + 1;
  int64_t x = lane_of<int32_t>(w, r[0], lane),
          y = in.width2 > 1 ? lane_of<int32_t>(w, r[1], lane) : 0;
  const int64_t bytes = int64_t{in.vec} * in.width;
  const auto row = static_cast<int64_t>(t.width * t.bytes * t.channels);
  if (x % bytes != 0) stop(w, Outcome::Misaligned, t.address);
  const bool inside = x >= 0 && x + bytes <= row && y >= 0 && y < static_cast<int64_t>(t.height);
  if (!inside) {
    if (!in.flag) {
      w.grid->message = "surface access out of range";
      stop(w, Outcome::Trap, t.address);
    }
    if (!in.flag2) return nullptr;
    x = std::clamp<int64_t>(x, 0, row - bytes);
    y = std::clamp<int64_t>(y, 0, static_cast<int64_t>(t.height) - 1);
  }
  return host_of(w, t.address + static_cast<uint64_t>(y) * t.pitch + static_cast<uint64_t>(x));
}

void access_surface(Warp& w, const Inst& in, const Texture& t, int lane) {
  char* const at = surface_place(w, in, t, lane);
  for (unsigned k = 0; k < in.vec; ++k) {
    const unsigned register_bytes = in.width == 1 ? 2 : in.width;
    char* const own = w.frame + in.r[k] + static_cast<size_t>(lane) * register_bytes;
    if (in.aux == 1) std::memset(own, 0, register_bytes);
    if (!at) continue;
    char* const there = at + size_t{k} * in.width;
    in.aux == 1 ? std::memcpy(own, there, in.width) : std::memcpy(there, own, in.width);
  }
}

}  // namespace

const Inst* texture_access(Warp& w, const Inst* in) {
  w.at = in;
  for (uint32_t left = w.mask; left; left &= left - 1) {
    const int lane = std::countr_zero(left);
    const uint64_t handle = lane_of<uint64_t>(w, in->r[in->vec], lane);
    Texture t;
    if (!device_calls().texture || !device_calls().texture(handle, &t) ||
        t.surface != (in->aux != 0)) {
      w.grid->message = "no such texture or surface object";
      stop(w, Outcome::IllegalAddress, handle);
    }
    if (in->aux == 0) {
      uint32_t value[4];
      fetch(w, *in, t, lane, value);
      for (unsigned c = 0; c < 4; ++c) lane_of<uint32_t>(w, in->r[c], lane) = value[c];
      w.bytes_loaded += t.bytes * t.channels;
    } else {
      access_surface(w, *in, t, lane);
      (in->aux == 1 ? w.bytes_loaded : w.bytes_stored) += uint64_t{in->vec} * in->width;
    }
  }
  return in + 1;
}

}  // namespace sim::ptx
