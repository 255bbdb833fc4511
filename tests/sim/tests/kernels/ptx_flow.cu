// SPDX-License-Identifier: Apache-2.0
// Control flow: see ptx_flow.h; and what lanes, warps and blocks do to each other on the way.
#include "tests/sim/tests/kernels/ptx_flow.h"

#include <cooperative_groups.h>
#include <cassert>
#include <cstdio>
namespace cg = cooperative_groups;

#define KERNEL(f)                                                                 \
  extern "C" __global__ void flow_##f(const unsigned* in, unsigned* out, int n) { \
    int i = blockIdx.x * blockDim.x + threadIdx.x;                                \
    if (i < n) out[i] = f(in[i]);                                                 \
  }
FLOW_FUNCTIONS(KERNEL)

extern "C" __global__ void recursion(unsigned* out) {
  out[threadIdx.x] = fibonacci(threadIdx.x % 12);
}

typedef unsigned (*Function)(unsigned);
__device__ __noinline__ unsigned twice(unsigned x) {
  return x * 2;
}
__device__ __noinline__ unsigned square(unsigned x) {
  return x * x;
}
__device__ __noinline__ unsigned inverse(unsigned x) {
  return ~x;
}
__device__ Function table[3] = {twice, square, inverse};
extern "C" __global__ void pointers(const unsigned* which, unsigned* out) {
  unsigned i = threadIdx.x;
  out[i] = table[which[i]](i) + 1;
}

// A lock taken by every lane of a warp: only independent progress of lanes gets through.
extern "C" __global__ void lock(int* mutex, int* counter) {
  while (atomicCAS(mutex, 0, 1) != 0) {
  }
  __threadfence();
  *reinterpret_cast<volatile int*>(counter) = *reinterpret_cast<volatile int*>(counter) + 1;
  __threadfence();
  atomicExch(mutex, 0);
}

// Barriers in a loop whose trip count differs between blocks, around divergent work.
extern "C" __global__ void barriers(unsigned* out) {
  __shared__ unsigned line[96];
  unsigned t = threadIdx.x;
  line[t] = t + blockIdx.x;
  for (unsigned round = 0; round < 3 + blockIdx.x; ++round) {
    __syncthreads();
    unsigned v = line[(t + 1) % 96];
    if (t & 1) v = mix(v);
    if (t % 7 == round) v += loops(v) & 1;
    __syncthreads();
    line[t] = v;
  }
  __syncthreads();
  out[blockIdx.x * 96 + t] = line[95 - t];
}

// Threads leave one after the other; the rest still meet at the barrier.
extern "C" __global__ void leavers(unsigned* out) {
  __shared__ unsigned total;
  if (threadIdx.x == 0) total = 0;
  __syncthreads();
  for (unsigned round = 0; round < 64; ++round) {
    atomicAdd(&total, 1u);
    __syncthreads();
    if (threadIdx.x == round) {
      out[round] = total;
      return;
    }
    __syncthreads();
  }
}

extern "C" __global__ void barrier_counts(unsigned* out) {
  unsigned odd = __syncthreads_count(threadIdx.x & 1);
  int all = __syncthreads_and(threadIdx.x < 1000), some = __syncthreads_or(threadIdx.x == 77);
  int none = __syncthreads_or(0);
  out[threadIdx.x] = odd | all << 16 | some << 17 | none << 18;
}

// Halves of a warp vote and shuffle apart, then together.
extern "C" __global__ void halves(unsigned* out) {
  unsigned lane = threadIdx.x, r;
  if (lane < 16) {
    r = __ballot_sync(0xffffu, lane & 1);
    r += __shfl_xor_sync(0xffffu, lane, 1);
  } else {
    r = __ballot_sync(0xffff0000u, lane & 2);
    __syncwarp(0xffff0000u);
    r ^= __shfl_sync(0xffff0000u, lane * 3, 20);
  }
  __syncwarp();
  r += __shfl_down_sync(~0u, r, 16);
  auto tile = cg::tiled_partition<8>(cg::this_thread_block());
  for (int i = 4; i; i /= 2) r += tile.shfl_down(r, i);
  unsigned active = 0;
  if (lane % 3 == 0) active = __activemask();
  out[lane] = r;
  out[32 + lane] = active;
}

extern "C" __global__ void matches(const unsigned* in, unsigned* out) {
  int all;
  unsigned v = in[threadIdx.x];
  out[threadIdx.x] = __match_any_sync(~0u, v);
  out[32 + threadIdx.x] = __match_all_sync(~0u, v / 100, &all) ^ all;
  out[64 + threadIdx.x] = __all_sync(~0u, v < 50) | __any_sync(~0u, v > 48) << 1;
}

// Each round every block must see what all others wrote in the round before.
extern "C" __global__ void grid_sync(unsigned* line, unsigned* out, int rounds) {
  auto grid = cg::this_grid();
  unsigned i = grid.thread_rank(), n = grid.size();
  line[i] = i;
  for (int r = 0; r < rounds; ++r) {
    grid.sync();
    unsigned v = line[(i + blockDim.x + 1) % n] + 1;
    grid.sync();
    line[i] = v;
  }
  out[i] = line[i];
}

extern "C" __global__ void print(int n) {
  if (threadIdx.x < n)
    printf("t%d %5.2f|%-4s|%llx %% %c %u\n", threadIdx.x, 1.5 * threadIdx.x, "ab", 0x123456789aull,
           'z', 7u);
}
extern "C" __global__ void asserts(int limit) {
  assert(threadIdx.x < limit);
}
extern "C" __global__ void traps(int lane) {
  if (threadIdx.x == lane) __trap();
}
extern "C" __global__ void heap(unsigned* out) {
  unsigned* p = static_cast<unsigned*>(malloc(4 * (threadIdx.x + 1)));
  for (unsigned i = 0; i <= threadIdx.x; ++i) p[i] = i;
  unsigned sum = 0;
  for (unsigned i = 0; i <= threadIdx.x; ++i) sum += p[i];
  free(p);
  out[threadIdx.x] = sum;
}
extern "C" __global__ void dead_lock(int* out) {
  if (threadIdx.x < 32)
    asm volatile("bar.sync 1, 64;");
  else
    asm volatile("bar.sync 2, 64;");
  out[0] = 1;
}
