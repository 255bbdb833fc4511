// SPDX-License-Identifier: Apache-2.0
// Random kernels that steer the graph in which they run. They call the device runtime, which a
// driver finds in PTX only when it is linked in: for the simulated GPU.
#include "kernels_device.h"

using namespace random_program;

extern "C" {

// What a conditional node does, from a word that earlier nodes may have written.
__global__ void decide(cudaGraphConditionalHandle handle, uint32_t* word, uint32_t choices,
                       uint32_t salt) {
  cudaGraphSetConditional(handle, mixed(*word, salt) % choices);
}

// A loop of one to three rounds: `word` counts what is left.
__global__ void count_rounds(cudaGraphConditionalHandle handle, uint32_t* word, uint32_t,
                             uint32_t salt) {
  *word = 1 + mixed(*word, salt) % 3;
  cudaGraphSetConditional(handle, 1);
}

__global__ void count_down(cudaGraphConditionalHandle handle, uint32_t* word) {
  *word -= 1;
  cudaGraphSetConditional(handle, *word);
}

// Changes a kernel node that runs later: four bytes of its parameters, its grid, whether it runs.
__global__ void retune(cudaGraphDeviceNode_t node, const uint32_t* word, uint64_t offset,
                       uint32_t salt) {
  const uint32_t value = mixed(*word, salt);
  cudaGraphKernelNodeSetParam(node, offset, &value, sizeof value);
  cudaGraphKernelNodeSetGridDim(node, dim3(1 + value % 8));
  cudaGraphKernelNodeSetEnabled(node, value % 4 != 0);
}
}
