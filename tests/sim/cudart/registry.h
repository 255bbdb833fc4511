// SPDX-License-Identifier: Apache-2.0
// What nvcc's start-up code told us of the program: its device images, and the kernels and
// variables in them by the address of their host stand-in. Nothing is loaded before its first use:
// one cuLibraryLoadData per image, one cuLibraryGetKernel per kernel.
#pragma once

#include <cuda.h>
#include <driver_types.h>

namespace sim::cudart {

// `function`: a host stub, or a kernel handle that this runtime handed out itself.
cudaError_t find_kernel(const void* function, CUkernel* kernel);
// The host stub of a kernel, or the handle itself when it has none.
void* host_function(CUkernel kernel);
// A handle that the application got from a library of its own may be launched too.
void accept_kernel(CUkernel kernel);
// Why the program's last look-up of a kernel failed: what a launch of a null handle answers.
cudaError_t last_kernel_failure();

struct Symbol {
  CUdeviceptr address = 0;
  size_t size = 0;
};
cudaError_t find_symbol(const void* variable, Symbol* symbol);
// The address of [offset, offset + bytes) of a variable, as the end of a copy of this kind.
cudaError_t symbol_target(const void* variable, size_t offset, size_t bytes, cudaMemcpyKind kind,
                          char** address);
cudaError_t symbol_source(const void* variable, size_t offset, size_t bytes, cudaMemcpyKind kind,
                          char** address);

}  // namespace sim::cudart
