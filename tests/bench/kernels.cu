// SPDX-License-Identifier: Apache-2.0
// No-op kernels by the shape of their parameters. The null driver reads the shape from the name.
#include <cstdint>

struct Block512 {
  uint64_t words[64];
};

extern "C" {
__global__ void pointers_0() {}
__global__ void pointers_1(void*) {}
__global__ void pointers_4(void*, void*, void*, void*) {}
__global__ void pointers_8(void*, void*, void*, void*, void*, void*, void*, void*) {}
__global__ void pointers_16(void*, void*, void*, void*, void*, void*, void*, void*, void*, void*,
                            void*, void*, void*, void*, void*, void*) {}
__global__ void bytes_512(Block512) {}
}
