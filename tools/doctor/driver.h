// SPDX-License-Identifier: Apache-2.0
// The CUDA driver of this machine, looked for when it is asked for: the command starts without one.
#pragma once

#include <cuda.h>

#include <string>
#include <vector>

namespace spillway::tools {

// A call may fail, and a function may be missing: both are answers.
class Failed {
 public:
  Failed(const char* call, CUresult result) : call_(call), result_(result) {}
  CUresult result() const { return result_; }
  std::string text() const;  // "cuMemCreate: CUDA_ERROR_NOT_SUPPORTED (801)"

 private:
  const char* call_;
  CUresult result_;
};

struct Driver {
  // What each is called with; a missing one answers CUDA_ERROR_NOT_FOUND.
  template <class Function>
  struct Call;
  template <class... P>
  struct Call<CUresult (*)(P...)> {
    const char* name;
    CUresult (*function)(P...) = nullptr;
    CUresult attempt(P... arguments) const {
      return function ? function(arguments...) : CUDA_ERROR_NOT_FOUND;
    }
    void operator()(P... arguments) const {  // throws Failed
      if (const CUresult result = attempt(arguments...); result != CUDA_SUCCESS)
        throw Failed(name, result);
    }
  };
#define CALL(symbol) Call<decltype(&::symbol)> symbol{#symbol};
#include "tools/doctor/driver.def"
#undef CALL

  std::string path;                  // of the libcuda.so.1 that was loaded, as the loader has it
  std::string file;                  // what that leads to; its name has the version
  std::vector<std::string> lacking;  // functions that Spillway itself calls
  size_t needed = 0;                 // how many those are
};

// Loads libcuda.so.1. False, with the loader's words: there is none that can be.
bool open_driver(std::string* failure);
const Driver& cu();

}  // namespace spillway::tools
