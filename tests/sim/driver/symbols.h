// SPDX-License-Identifier: Apache-2.0
// The driver's exported names. The rows are generated (symbols.py); the look-up is symbols.cpp.
// Must not include cuda.h: the generated stubs have no signature.
#pragma once

#include <atomic>
#include <span>

namespace sim {

// A name that nobody has written a body for.
struct Stub {
  const char* name;
  std::atomic<unsigned> calls{0};
};

// One ABI of one function: the version it appeared in, and whether it is the _ptds/_ptsz form.
// Sorted by name, then version.
struct Symbol {
  const char* base;
  int version;
  bool per_thread;
  void* function;
};

int not_simulated(Stub& stub);  // says its name once; CUDA_ERROR_NOT_SUPPORTED

std::span<const Symbol> symbols();
std::span<const Stub> unsimulated();

}  // namespace sim
