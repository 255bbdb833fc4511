// SPDX-License-Identifier: Apache-2.0
// What the random kernels share on the device.
#pragma once

#include "kernels.h"

namespace random_program {

__device__ inline uint32_t mixed(uint32_t value, uint32_t other) {
  value = (value ^ other) * 0x9E3779B1u;
  return value ^ (value >> 15);
}

__device__ inline uint32_t thread_index() {
  return blockIdx.x * blockDim.x + threadIdx.x;
}
__device__ inline uint32_t thread_count() {
  return gridDim.x * blockDim.x;
}

}  // namespace random_program
