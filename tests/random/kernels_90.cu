// SPDX-License-Identifier: Apache-2.0
// Random kernels of devices that can begin a kernel before the one ahead of it is over.
#include "kernels_device.h"

using namespace random_program;

extern "C" __global__ void dependent(uint32_t* out, const uint32_t* in, uint32_t* early,
                                     uint32_t elements, uint32_t stride, uint32_t salt) {
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    early[i] = mixed(early[i], salt + i);
  }
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    out[i] = mixed(out[i] + in[i], early[i] + salt);
  }
}
