// SPDX-License-Identifier: Apache-2.0
// A small CUDA job that is told where the driver's functions are, and counts what it asked of them.
#pragma once

#include <cuda.h>

namespace ways {

// FUNCTION(name as looked up by cuGetProcAddress, symbol, since which version)
#define WAYS_FUNCTIONS(FUNCTION)                                     \
  FUNCTION(cuInit, cuInit, 2000)                                     \
  FUNCTION(cuDeviceGet, cuDeviceGet, 2000)                           \
  FUNCTION(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, 7000) \
  FUNCTION(cuCtxSetCurrent, cuCtxSetCurrent, 4000)                   \
  FUNCTION(cuCtxSynchronize, cuCtxSynchronize, 2000)                 \
  FUNCTION(cuModuleLoadData, cuModuleLoadData, 2000)                 \
  FUNCTION(cuModuleGetFunction, cuModuleGetFunction, 2000)           \
  FUNCTION(cuMemAlloc, cuMemAlloc_v2, 3020)                          \
  FUNCTION(cuMemFree, cuMemFree_v2, 3020)                            \
  FUNCTION(cuMemAllocAsync, cuMemAllocAsync, 11020)                  \
  FUNCTION(cuMemFreeAsync, cuMemFreeAsync, 11020)                    \
  FUNCTION(cuMemcpyDtoH, cuMemcpyDtoH_v2, 3020)                      \
  FUNCTION(cuLaunchKernel, cuLaunchKernel, 4000)

struct Api {
#define FUNCTION(name, symbol, since) decltype(&::symbol) name##_at = nullptr;
  WAYS_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

// Fills every slot by find(name, symbol, since). Ends the program when one is not found.
Api resolve(void* (*find)(const char* name, const char* symbol, int since));

// Initialises the driver and makes the primary context current in this thread.
void enter(const Api& api);
// Allocates, launches, copies back, frees, both ways. Any number of threads at once.
void work(const Api& api);
// Prints what all calls of work() asked for: {"allocations": n, ...}.
void report();

[[noreturn]] void fail(const char* what, int code);

}  // namespace ways
