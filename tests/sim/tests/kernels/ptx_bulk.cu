// SPDX-License-Identifier: Apache-2.0
// Bulk copies and mbarriers as nvcc emits them for compute_90.
#include <cuda.h>

#include <cuda/barrier>
#include <cuda/ptx>

namespace ptx = cuda::ptx;
namespace experimental = cuda::device::experimental;

__constant__ CUtensorMap constant_map;

// The library's barrier: arrivals by every thread, and its way to wait.
extern "C" __global__ void tile(const __grid_constant__ CUtensorMap map, int* out, int x, int y) {
  using Barrier = cuda::barrier<cuda::thread_scope_block>;
  __shared__ alignas(128) int box[8][32];
#pragma nv_diag_suppress static_var_with_dynamic_init
  __shared__ Barrier barrier;
  if (threadIdx.x == 0) {
    init(&barrier, blockDim.x);
    experimental::fence_proxy_async_shared_cta();
  }
  __syncthreads();
  Barrier::arrival_token token;
  if (threadIdx.x == 0) {
    experimental::cp_async_bulk_tensor_2d_global_to_shared(&box, &map, x, y, barrier);
    token = cuda::device::barrier_arrive_tx(barrier, 1, sizeof box);
  } else {
    token = barrier.arrive();
  }
  barrier.wait(std::move(token));
  for (int i = threadIdx.x; i < 256; i += blockDim.x) out[i] = box[i / 32][i % 32];
}

// One thread issues, everybody waits for a phase by its parity: twice, so that both come.
extern "C" __global__ void lines(const CUtensorMap* map, int* out, int x) {
  __shared__ alignas(128) int box[32];
  __shared__ uint64_t barrier;
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(&barrier, 1);
    ptx::fence_mbarrier_init(ptx::sem_release, ptx::scope_cluster);
    ptx::fence_proxy_tensormap_generic(ptx::sem_acquire, ptx::scope_sys, map, ptx::n32_t<128>{});
  }
  __syncthreads();
  for (int round = 0; round < 2; ++round) {
    if (threadIdx.x == 0) {
      const int32_t at[1] = {x + 32 * round};
      ptx::cp_async_bulk_tensor(ptx::space_cluster, ptx::space_global, box, map, at, &barrier);
      ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared, &barrier,
                                     sizeof box);
    }
    while (!ptx::mbarrier_try_wait_parity(&barrier, round)) {
    }
    out[32 * round + threadIdx.x] = box[threadIdx.x];
    __syncthreads();
  }
}

// In by bytes, out by bytes.
extern "C" __global__ void bytes(const int* in, int* out) {
  __shared__ alignas(16) int box[64];
  __shared__ uint64_t barrier;
  if (threadIdx.x == 0) ptx::mbarrier_init(&barrier, 1);
  __syncthreads();
  if (threadIdx.x == 0) {
    ptx::cp_async_bulk(ptx::space_cluster, ptx::space_global, box, in, sizeof box, &barrier);
    ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared, &barrier,
                                   sizeof box);
  }
  while (!ptx::mbarrier_try_wait_parity(&barrier, 0)) {
  }
  box[threadIdx.x] += 1;
  ptx::fence_proxy_async(ptx::space_shared);
  __syncthreads();
  if (threadIdx.x == 0) {
    ptx::cp_async_bulk(ptx::space_global, ptx::space_shared, out, box, sizeof box);
    ptx::cp_async_bulk_commit_group();
    ptx::cp_async_bulk_wait_group_read(ptx::n32_t<0>{});
  }
}

// Out through a map in constant memory.
extern "C" __global__ void put(const int* in, int x, int y) {
  __shared__ alignas(128) int box[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) box[i] = in[i];
  ptx::fence_proxy_async(ptx::space_shared);
  __syncthreads();
  if (threadIdx.x == 0) {
    const int32_t at[2] = {x, y};
    ptx::cp_async_bulk_tensor(ptx::space_global, ptx::space_shared, &constant_map, at, box);
    ptx::cp_async_bulk_commit_group();
    ptx::cp_async_bulk_wait_group(ptx::n32_t<0>{});
  }
}
