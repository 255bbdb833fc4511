// SPDX-License-Identifier: Apache-2.0
// Kernels that need compute capability 9.0: programmatic dependent launch and tensor maps.
#include <cuda.h>

#include <cstdint>

extern "C" {

// Lets the next kernel of its stream start at once, and then goes on for `cycles`.
__global__ void early_producer(unsigned long long cycles) {
  asm volatile("griddepcontrol.launch_dependents;");
  for (long long begin = clock64(); clock64() - begin < static_cast<long long>(cycles);) {
  }
}

// Counts words that are not `expected`; wait: only after everything before it is complete and
// visible.
__global__ void dependent_check(const uint64_t* p, uint64_t count, uint64_t expected, int wait,
                                unsigned long long* mismatches) {
  if (wait) asm volatile("griddepcontrol.wait;" ::: "memory");
  unsigned long long wrong = 0;
  uint64_t step = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  for (uint64_t i = blockIdx.x * static_cast<uint64_t>(blockDim.x) + threadIdx.x; i < count;
       i += step)
    wrong += reinterpret_cast<const volatile uint64_t*>(p)[i] != expected;
  if (wrong) atomicAdd(mismatches, wrong);
}

// Loads the 32x32 tile of ints at (0, 0) through the tensor map and writes it out. One block of
// 1024.
__global__ void tensor_tile(const __grid_constant__ CUtensorMap map, int* out) {
  __shared__ alignas(128) int tile[32 * 32];
  __shared__ alignas(8) uint64_t barrier;
  auto shared = [](void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); };
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared(&barrier)) : "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared(&barrier)),
                 "r"(static_cast<uint32_t>(sizeof tile))
                 : "memory");
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%2, %2}], [%3];" ::"r"(shared(tile)),
        "l"(&map), "r"(0), "r"(shared(&barrier))
        : "memory");
  }
  uint32_t done = 0;
  while (!done)
    asm volatile(
        "{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], 0; selp.u32 %0, 1, 0, "
        "p; }"
        : "=r"(done)
        : "r"(shared(&barrier))
        : "memory");
  out[threadIdx.x] = tile[threadIdx.x];
}
}
