// SPDX-License-Identifier: Apache-2.0
// Device memory that the driver takes for itself, when SIMCUDA_LAZY says that it does: for a
// context, for a kernel's code at its first use there, for the local memory of a launch that needs
// more than any before it, and for the printf buffer and the device heap at a context's first
// launch. Only charged: nobody sees the bytes. All of it may fail with CUDA_ERROR_OUT_OF_MEMORY on
// a full device.
#pragma once

#include <cuda.h>

namespace sim {

struct Context;
struct LoadedKernel;
struct Module;

CUresult hidden_open(const Context& context);  // a context that is about to open
void hidden_close(const Context& context);     // gives back all of it
// The kernel's code is in the context. OUT_OF_MEMORY: it could not be brought there.
CUresult hidden_load(const LoadedKernel& kernel);
bool hidden_loaded(const LoadedKernel& kernel);
// And everything else that a launch needs.
CUresult hidden_launch(const Context& context, const LoadedKernel& kernel);
void hidden_unload(const Module& module);

}  // namespace sim
