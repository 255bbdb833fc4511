// SPDX-License-Identifier: Apache-2.0
// Kernels of the probes that every supported GPU runs. Patterns are a function of seed and index,
// so a kernel or the host can make and check them without a second buffer.
#include <cstdint>

namespace {

__device__ uint64_t pattern(uint64_t seed, uint64_t index) {
  uint64_t x = seed + index * 0x9E3779B97F4A7C15ull;
  x ^= x >> 32;
  return x * 0xD6E8FEB86659FD93ull;
}

__device__ uint64_t first() {
  return blockIdx.x * static_cast<uint64_t>(blockDim.x) + threadIdx.x;
}
__device__ uint64_t step() {
  return static_cast<uint64_t>(gridDim.x) * blockDim.x;
}

struct Triple {
  uint64_t a, b, c;
};

}  // namespace

extern "C" {

__global__ void nop() {}
// Only their layouts are of interest.
__global__ void nop4(void*, void*, void*, void*) {}
__global__ void mixed(char, double, Triple, float*, short) {}

__global__ void fill(uint64_t* p, uint64_t count, uint64_t seed) {
  for (uint64_t i = first(); i < count; i += step()) p[i] = pattern(seed, i);
}

__global__ void check(const uint64_t* p, uint64_t count, uint64_t seed,
                      unsigned long long* mismatches) {
  unsigned long long wrong = 0;
  for (uint64_t i = first(); i < count; i += step()) wrong += p[i] != pattern(seed, i);
  if (wrong) atomicAdd(mismatches, wrong);
}

__global__ void add(uint64_t* p, uint64_t count, uint64_t delta) {
  for (uint64_t i = first(); i < count; i += step()) p[i] += delta;
}

// Runs until the host writes *stop, or for max_polls rounds of a microsecond or two.
__global__ void spin(const volatile unsigned* stop, unsigned max_polls,
                     volatile unsigned* started) {
  *started = 1;
  for (unsigned i = 0; i < max_polls && !*stop; ++i) __nanosleep(1000);
}

// Like spin, and reads memory all the while: the victim of an early unmap.
__global__ void spin_reading(const volatile unsigned* stop, unsigned max_polls,
                             volatile unsigned* started, const volatile uint64_t* p, uint64_t count,
                             unsigned long long* sink) {
  *started = 1;
  unsigned long long sum = 0;
  for (unsigned i = 0; i < max_polls && !*stop; ++i)
    for (uint64_t k = first(); k < count; k += step()) sum += p[k];
  if (sum == 1) *sink = sum;
}

// A kernel of computation only; `rounds` sets how long.
__global__ void busy(float* out, unsigned rounds) {
  float x = threadIdx.x, y = 1.0f;
  for (unsigned i = 0; i < rounds; ++i) y = fmaf(y, 0.999f, x);
  if (y == -1.0f) *out = y;
}

__global__ void read_all(const uint4* p, uint64_t count, unsigned* sink) {
  unsigned sum = 0;
  for (uint64_t i = first(); i < count; i += step()) {
    uint4 v = p[i];
    sum ^= v.x ^ v.y ^ v.z ^ v.w;
  }
  if (sum == 0x12345678u) *sink = sum;
}

__global__ void write_all(uint4* p, uint64_t count, unsigned value) {
  for (uint64_t i = first(); i < count; i += step()) p[i] = make_uint4(value, value, value, value);
}

// 128-bit hash whose result does not depend on the order of threads: sums of mixed (value, index).
__global__ void hash128(const ulonglong2* p, uint64_t count, unsigned long long* out) {
  uint64_t low = 0, high = 0;
  for (uint64_t i = first(); i < count; i += step()) {
    ulonglong2 v = p[i];
    uint64_t a = pattern(v.x ^ 0x2545F4914F6CDD1Dull, i);
    uint64_t b = pattern(v.y ^ a, i + count);
    low += a ^ (b >> 29);
    high += b ^ (a << 17);
  }
  for (int lane = 16; lane; lane >>= 1) {
    low += __shfl_down_sync(~0u, low, lane);
    high += __shfl_down_sync(~0u, high, lane);
  }
  if (threadIdx.x % 32 == 0) {
    atomicAdd(&out[0], static_cast<unsigned long long>(low));
    atomicAdd(&out[1], static_cast<unsigned long long>(high));
  }
}
}
