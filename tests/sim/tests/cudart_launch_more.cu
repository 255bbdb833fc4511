// SPDX-License-Identifier: Apache-2.0
// A second device image in one program: the same names mean other things here.
#include <cuda_runtime.h>

static __device__ int counter = 42;

namespace {
__global__ void count_up(int amount) {
  counter += amount;
}
}  // namespace

int run_in_second_image(int value) {
  int result = -1;
  count_up<<<1, 1>>>(value);
  cudaMemcpyFromSymbol(&result, counter, sizeof result);
  return result;
}
