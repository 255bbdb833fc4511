// SPDX-License-Identifier: Apache-2.0
// Random kernels of devices that have tensor maps (TMA), and that can begin a kernel before the one
// ahead of it is over.
#include <cuda.h>

#include <cuda/ptx>

#include "kernels_device.h"

using namespace random_program;
namespace ptx = cuda::ptx;

extern "C" {

// As blend, a tile here and there: half of eight rows, the left one or the right one.
__global__ void blend_tiles(const __grid_constant__ CUtensorMap a, uint32_t* out, const uint32_t* b,
                            const void* spectator, uint32_t elements, uint32_t stride,
                            uint32_t salt) {
  __shared__ alignas(128) uint32_t tile[kTileHeight][kTileWidth];
  __shared__ uint64_t barrier;
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(&barrier, 1);
    ptx::fence_mbarrier_init(ptx::sem_release, ptx::scope_cluster);
  }
  __syncthreads();
  const uint32_t rows = elements / kMatrixWidth;
  const uint32_t tiles = min(kTiles, rows / kTileHeight);
  uint32_t parity = 0;
  for (uint32_t i = blockIdx.x; i < tiles; i += gridDim.x) {
    const uint32_t x = (stride / 2 + i) % 2 * kTileWidth, y = rows / tiles * i;
    if (threadIdx.x == 0) {
      const int32_t at[2] = {(int32_t)x, (int32_t)y};
      ptx::cp_async_bulk_tensor(ptx::space_cluster, ptx::space_global, tile, &a, at, &barrier);
      ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared, &barrier,
                                     sizeof tile);
    }
    while (!ptx::mbarrier_try_wait_parity(&barrier, parity)) {
    }
    parity ^= 1;
    for (uint32_t k = threadIdx.x; k < kTileWidth * kTileHeight; k += blockDim.x) {
      const uint32_t word = (y + k / kTileWidth) * kMatrixWidth + x + k % kTileWidth;
      const uint32_t value = tile[k / kTileWidth][k % kTileWidth];
      out[word] = mixed(out[word] + value, b[word] + salt + word);
    }
    __syncthreads();  // the next tile comes to the same place
  }
}

__global__ void dependent(uint32_t* out, const uint32_t* in, uint32_t* early, uint32_t elements,
                          uint32_t stride, uint32_t salt) {
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    early[i] = mixed(early[i], salt + i);
  }
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    out[i] = mixed(out[i] + in[i], early[i] + salt);
  }
}
}
