// SPDX-License-Identifier: Apache-2.0
// Which image of a fatbin was taken?
extern "C" __global__ void architecture(int* out) {
  *out = __CUDA_ARCH__;
}
