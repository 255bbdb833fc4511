// SPDX-License-Identifier: Apache-2.0
// Included by a loop after KERNELS names its .def file: the kernels themselves, by the names that
// profilers show, and kernels::<name> to run them by.
#define KERNEL(name, microseconds, modes)                              \
  extern "C" __global__ void name(Operands operands, uint32_t* loss) { \
    change_on_device(operands, loss);                                  \
  }
#include KERNELS
#undef KERNEL

namespace kernels {
#define KERNEL(name, microseconds, modes) const Kernel name{modes, ::name};
#include KERNELS
#undef KERNEL
}  // namespace kernels
