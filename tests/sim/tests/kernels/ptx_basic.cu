// SPDX-License-Identifier: Apache-2.0
// Ordinary kernels: what a training program is made of.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void saxpy(float a, const float* __restrict__ x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = a * x[i] + y[i];
}

extern "C" __global__ void matmul(const float* a, const float* b, float* c, int n) {
  __shared__ float as[32][32], bs[32][32];
  int row = blockIdx.y * 32 + threadIdx.y, column = blockIdx.x * 32 + threadIdx.x;
  float sum = 0;
  for (int t = 0; t < n / 32; ++t) {
    as[threadIdx.y][threadIdx.x] = a[row * n + t * 32 + threadIdx.x];
    bs[threadIdx.y][threadIdx.x] = b[(t * 32 + threadIdx.y) * n + column];
    __syncthreads();
    for (int k = 0; k < 32; ++k) sum += as[threadIdx.y][k] * bs[k][threadIdx.x];
    __syncthreads();
  }
  c[row * n + column] = sum;
}

// Sixteen wide blocks: two rows of the tile in one warp.
extern "C" __global__ void matmul16(const float* a, const float* b, float* c, int n) {
  __shared__ float as[16][16], bs[16][16];
  int row = blockIdx.y * 16 + threadIdx.y, column = blockIdx.x * 16 + threadIdx.x;
  float sum = 0;
  for (int t = 0; t < n / 16; ++t) {
    as[threadIdx.y][threadIdx.x] = a[row * n + t * 16 + threadIdx.x];
    bs[threadIdx.y][threadIdx.x] = b[(t * 16 + threadIdx.y) * n + column];
    __syncthreads();
    for (int k = 0; k < 16; ++k) sum += as[threadIdx.y][k] * bs[k][threadIdx.x];
    __syncthreads();
  }
  c[row * n + column] = sum;
}

extern "C" __global__ void reduce(const unsigned* x, unsigned long long* out, int n) {
  __shared__ unsigned long long part[32];
  unsigned long long v = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) v += x[i];
  for (int o = 16; o; o >>= 1) v += __shfl_down_sync(~0u, v, o);
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  v = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0;
  for (int o = 16; o; o >>= 1) v += __shfl_down_sync(~0u, v, o);
  if (threadIdx.x == 0) atomicAdd(out, v);
}

extern "C" __global__ void histogram(const unsigned char* x, unsigned* out, int n) {
  extern __shared__ unsigned bins[];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) bins[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    atomicAdd(&bins[x[i]], 1u);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x) atomicAdd(&out[i], bins[i]);
}

extern "C" __global__ void vectors(const float4* x, const short2* s, float4* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float4 v = x[i];
  short2 t = s[i];
  y[i] = make_float4(v.w, v.z + t.x, v.y - t.y, v.x);
}

extern "C" __global__ void halves(const __half* x, const __half2* y, __half* out, __half2* out2,
                                  int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  out[i] = __hfma(x[i], x[i], __float2half(0.5f));
  out2[i] = __hmul2(__hadd2(y[i], y[i]), __floats2half2_rn(0.25f, -3.0f));
}

extern "C" __global__ void bf16(const float* x, __nv_bfloat16* out, float* back, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  out[i] = __float2bfloat16(x[i]);
  back[i] = __bfloat162float(out[i]);
}

// Operations that the language defines exactly.
extern "C" __global__ void exact_math(const float* x, const double* d, float* f, double* g, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float a = x[i], b = x[(i + 1) % n];
  f[8 * i + 0] = a / b;
  f[8 * i + 1] = sqrtf(fabsf(a));
  f[8 * i + 2] = fmaf(a, b, 1.0f);
  f[8 * i + 3] = __fadd_rz(a, b);
  f[8 * i + 4] = __fmul_ru(a, b);
  f[8 * i + 5] = rintf(a) + floorf(b) * 1024.0f;
  f[8 * i + 6] = fminf(a, b);
  f[8 * i + 7] = __double2float_rd(d[i]);
  g[4 * i + 0] = d[i] / (1 + a);
  g[4 * i + 1] = sqrt(fabs(d[i]));
  g[4 * i + 2] = fma(d[i], d[i], double(a));
  g[4 * i + 3] = __dadd_rd(d[i], 1e-9);
}

extern "C" __global__ void functions(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  y[6 * i + 0] = expf(x[i]);
  y[6 * i + 1] = logf(fabsf(x[i]) + 1);
  y[6 * i + 2] = sinf(x[i] * 100);
  y[6 * i + 3] = tanhf(x[i]);
  y[6 * i + 4] = powf(fabsf(x[i]), 1.7f);
  y[6 * i + 5] = fmodf(x[i], 0.3f);
}

struct Big {
  int values[1500];  // 6,000 bytes: more than the classic 4 KB of parameters
  double tail;
};
extern "C" __global__ void big_parameter(const Big big, double* out) {
  out[threadIdx.x] = big.values[threadIdx.x * 10] + big.tail;
}

__device__ int counter = 41;
__constant__ float weights[4] = {1.5f, -2.0f, 0.25f, 8.0f};
__device__ int* counter_address = &counter;
extern "C" __global__ void variables(float* out) {
  if (threadIdx.x == 0) *counter_address += 1;
  __syncthreads();
  out[threadIdx.x] = weights[threadIdx.x % 4] + counter;
}

extern "C" __global__ void atomics(int* i, unsigned* u, float* f, double* d,
                                   unsigned long long* l) {
  int t = blockIdx.x * blockDim.x + threadIdx.x;
  atomicMax(&i[0], (t * 7919) % 1000);
  atomicMin(&i[1], (t * 7919) % 1000 - 2000);
  atomicSub(&i[2], t);
  atomicInc(&u[0], 12);
  atomicDec(&u[1], 12);
  atomicXor(&u[2], 1u << (t % 32));
  atomicOr(&u[3], 1u << (t % 17));
  atomicAnd(&u[4], ~(1u << (t % 5)));
  atomicAdd(f, 0.5f);
  atomicAdd(d, 0.25);
  atomicAdd(l, 1ull << 33);
  unsigned long long old = l[1], seen;
  do {
    seen = old;
    old = atomicCAS(&l[1], seen, seen + t);
  } while (old != seen);
}
