// SPDX-License-Identifier: Apache-2.0
// No-op kernels by the shape of their parameters, which the null driver reads from the name; and
// one that uses a tensor.
#include <cstdint>

struct Block512 {
  uint64_t words[64];
};

extern "C" {
// Adds to one word in `stride`: a tensor is used for few instructions.
__global__ void touch(uint32_t* out, uint32_t words, uint32_t stride, uint32_t value) {
  const uint32_t threads = gridDim.x * blockDim.x;
  for (uint32_t i = (blockIdx.x * blockDim.x + threadIdx.x) * stride; i < words;
       i += threads * stride)
    out[i] += value;
}
__global__ void pointers_0() {}
__global__ void pointers_1(void*) {}
__global__ void pointers_4(void*, void*, void*, void*) {}
__global__ void pointers_8(void*, void*, void*, void*, void*, void*, void*, void*) {}
__global__ void pointers_16(void*, void*, void*, void*, void*, void*, void*, void*, void*, void*,
                            void*, void*, void*, void*, void*, void*) {}
__global__ void bytes_512(Block512) {}
}
