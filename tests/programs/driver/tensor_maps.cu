// SPDX-License-Identifier: Apache-2.0
// Kernels that reach memory through tensor maps only (TMA).
#include <cuda.h>

#include <cuda/ptx>

namespace ptx = cuda::ptx;

namespace {

constexpr unsigned kWidth = 32, kHeight = 8;  // of a box
constexpr unsigned kBoxes = 32;               // a row or column of the tensor

// Adds to some boxes of a tensor of 1024 by 1024: in, changed, out.
__device__ void add_to_boxes(const CUtensorMap* map, unsigned value) {
  __shared__ alignas(128) unsigned box[kHeight][kWidth];
  __shared__ uint64_t barrier;
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(&barrier, 1);
    ptx::fence_mbarrier_init(ptx::sem_release, ptx::scope_cluster);
  }
  __syncthreads();
  unsigned parity = 0;
  for (unsigned i = blockIdx.x; i < kBoxes; i += gridDim.x) {
    const int32_t at[2] = {static_cast<int32_t>(i * kWidth), static_cast<int32_t>(i * 31)};
    if (threadIdx.x == 0) {
      ptx::cp_async_bulk_tensor(ptx::space_cluster, ptx::space_global, box, map, at, &barrier);
      ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared, &barrier,
                                     sizeof box);
    }
    while (!ptx::mbarrier_try_wait_parity(&barrier, parity)) {
    }
    parity ^= 1;
    for (unsigned k = threadIdx.x; k < kWidth * kHeight; k += blockDim.x)
      box[k / kWidth][k % kWidth] += value;
    ptx::fence_proxy_async(ptx::space_shared);
    __syncthreads();
    if (threadIdx.x == 0) {
      ptx::cp_async_bulk_tensor(ptx::space_global, ptx::space_shared, map, at, box);
      ptx::cp_async_bulk_commit_group();
      ptx::cp_async_bulk_wait_group(ptx::n32_t<0>{});
    }
    __syncthreads();
  }
}

}  // namespace

extern "C" {

__constant__ CUtensorMap constant_map;

__global__ void add_by_argument(const __grid_constant__ CUtensorMap map, unsigned value) {
  add_to_boxes(&map, value);
}

__global__ void add_by_address(const CUtensorMap* map, unsigned value) {
  if (threadIdx.x == 0)
    ptx::fence_proxy_tensormap_generic(ptx::sem_acquire, ptx::scope_sys, map, ptx::n32_t<128>{});
  __syncthreads();
  add_to_boxes(map, value);
}

__global__ void add_by_constant(unsigned value) {
  add_to_boxes(&constant_map, value);
}
}
