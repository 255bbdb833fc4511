// SPDX-License-Identifier: Apache-2.0
// The one way from an exported function to the driver. Most runtime functions are a driver function
// with other type names, so a body is a line:
//     cudaError_t cudaEventQuery(cudaEvent_t event) { return call(&Driver::EventQuery, event); }
//
// The files that take streams are compiled a second time with CUDA_API_PER_THREAD_DEFAULT_STREAM:
// the header then renames what they define (cudaMemcpy_ptds, cudaLaunchKernel_ptsz, ...) and
// `driver()` is the table of the per-thread forms.
#pragma once

#include <cuda_runtime_api.h>

#include "tests/sim/cudart/driver.h"
#include "tests/sim/cudart/state.h"

#define CUDART_EXPORT extern "C" __attribute__((visibility("default")))

namespace sim::cudart {

// The same argument under the driver's name for its type: an enum, a pointer or an address. The one
// place where a C cast is the honest tool.
template <class To, class From>
To as(From value) {
  return (To)value;
}

#ifdef CUDA_API_PER_THREAD_DEFAULT_STREAM
#define SIM_STREAMS per_thread
inline namespace SIM_STREAMS {  // two names, so that the two compilations are two definitions
constexpr bool kPerThread = true;
#else
#define SIM_STREAMS legacy
inline namespace SIM_STREAMS {
constexpr bool kPerThread = false;
#endif

inline const Driver& driver() {
  return kPerThread ? drivers().per_thread : drivers().legacy;
}

template <class... Parameters, class... Arguments>
CUresult invoke(CUresult (*Driver::*function)(Parameters...), Arguments... arguments) {
  auto entry = driver().*function;
  return entry == nullptr ? CUDA_ERROR_NOT_SUPPORTED : entry(as<Parameters>(arguments)...);
}

// With a current context.
template <class... Parameters, class... Arguments>
cudaError_t call(CUresult (*Driver::*function)(Parameters...), Arguments... arguments) {
  if (const cudaError_t error = need_context(); error != cudaSuccess) return remember(error);
  return remember(invoke(function, arguments...));
}

// For what the driver answers without one.
template <class... Parameters, class... Arguments>
cudaError_t call_bare(CUresult (*Driver::*function)(Parameters...), Arguments... arguments) {
  if (drivers().status != CUDA_SUCCESS) return remember(drivers().status);
  return remember(invoke(function, arguments...));
}

}  // namespace SIM_STREAMS

}  // namespace sim::cudart
