// SPDX-License-Identifier: Apache-2.0
// The CUDA driver as the probes see it: opened at run time, so that the same binary starts on a
// machine without one, and every failing call becomes an exception that names the call and the
// error.
#pragma once

#include <cuda.h>

#include <stdexcept>
#include <string>

namespace probe {

struct CudaError : std::runtime_error {
  CudaError(const char* call, CUresult result);
  const char* call;
  CUresult result;
};

// "CUDA_ERROR_ILLEGAL_ADDRESS (700)"
std::string error_name(CUresult result);

template <class Function>
class Entry;

template <class... P>
class Entry<CUresult (*)(P...)> {
 public:
  explicit Entry(const char* name) : name_(name) {}
  // Throws CudaError unless it succeeds.
  void operator()(P... arguments) const {
    if (CUresult result = attempt(arguments...); result != CUDA_SUCCESS)
      throw CudaError(name_, result);
  }
  CUresult attempt(P... arguments) const {
    return function_ ? function_(arguments...) : CUDA_ERROR_NOT_SUPPORTED;
  }
  void bind(void* address) { function_ = reinterpret_cast<CUresult (*)(P...)>(address); }
  const char* name() const { return name_; }

 private:
  const char* name_;
  CUresult (*function_)(P...) = nullptr;  // null: this driver lacks it
};

struct Driver {
#define ENTRY(function) Entry<decltype(&::function)> function{#function};
#include "tests/gpu/driver.def"
#undef ENTRY
  std::string path;  // of the libcuda.so.1 that was loaded
};

// Loads libcuda.so.1; throws std::runtime_error with the loader's reason when there is none.
void open_driver();
const Driver& cu();

}  // namespace probe
