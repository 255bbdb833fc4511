// SPDX-License-Identifier: Apache-2.0
// What sm_80 and sm_90 add.
#include <cooperative_groups.h>
#include <cuda_bf16.h>
#include <cuda_pipeline.h>

extern "C" __global__ void copies(const int* in, int* out, int n) {
  __shared__ int4 tile[2][64];
  for (int at = 0; at < n; at += 2 * 256) {
    for (int k = 0; k < 2; ++k) {
      __pipeline_memcpy_async(&tile[k][threadIdx.x], in + at + k * 256 + threadIdx.x * 4, 16);
      __pipeline_commit();
    }
    __pipeline_wait_prior(0);
    __syncthreads();
    int4 a = tile[0][63 - threadIdx.x], b = tile[1][threadIdx.x];
    out[at / 2 + threadIdx.x * 4 + 0] = a.x + b.w;
    out[at / 2 + threadIdx.x * 4 + 1] = a.y + b.z;
    out[at / 2 + threadIdx.x * 4 + 2] = a.z + b.y;
    out[at / 2 + threadIdx.x * 4 + 3] = a.w + b.x;
    __syncthreads();
  }
}

extern "C" __global__ void reductions(const int* in, int* out) {
  int v = in[threadIdx.x];
  out[0] = __reduce_add_sync(~0u, v);
  out[1] = __reduce_min_sync(~0u, v);
  out[2] = __reduce_max_sync(~0u, v);
  out[3] = __reduce_xor_sync(~0u, static_cast<unsigned>(v));
  out[4] = __reduce_and_sync(~0u, static_cast<unsigned>(v));
  out[5] = __reduce_or_sync(~0u, static_cast<unsigned>(v));
}

extern "C" __global__ void bf16_pairs(const __nv_bfloat162* x, __nv_bfloat162* out) {
  int i = threadIdx.x;
  out[i] = __hfma2(x[i], x[i], __hmax2(x[i], __float2bfloat162_rn(0.25f)));
}

extern "C" __global__ void cluster(unsigned* out) {
  auto c = cooperative_groups::this_cluster();
  c.sync();
  out[0] = c.num_blocks() * 10 + c.block_rank();
}
