// SPDX-License-Identifier: Apache-2.0
// How a driver entry point of the simulator begins. Every body is
//
//   SIM_API cuMemAlloc_v2(CUdeviceptr* out, size_t bytes) {
//     SIM_ENTER_CONTEXT(cuMemAlloc_v2, context);
//     ...
//
// The name is the exported symbol: the driver is compiled with __CUDA_API_VERSION_INTERNAL, in
// which cuda.h renames nothing and declares every variant (_v2, _ptds, _ptsz), so a wrong signature
// does not compile. Entry points never call each other (a call would be counted and failed twice);
// what they share is an ordinary function.
#pragma once

#include <cuda.h>

#include <atomic>
#include <cstdint>
#include <exception>

#include "tests/sim/driver/context.h"
#include "tests/sim/driver/host_thread.h"

#define SIM_API extern "C" __attribute__((visibility("default"))) CUresult

// Counts the call, applies SIMCUDA_FAULT. Legal before cuInit.
#define SIM_ENTER_ALWAYS(symbol)                  \
  static constinit ::sim::Call sim_call{#symbol}; \
  const ::sim::NoThrow sim_no_throw;              \
  if (const CUresult sim_status = sim_call.enter(__builtin_return_address(0))) return sim_status

// And refuses before cuInit, and in the child of a process that had called it.
#define SIM_ENTER(symbol)   \
  SIM_ENTER_ALWAYS(symbol); \
  if (!::sim::initialised()) return CUDA_ERROR_NOT_INITIALIZED

// And declares `::sim::Context* context`: the calling thread's, alive and without a sticky error.
#define SIM_ENTER_CONTEXT(symbol, context)                                                     \
  SIM_ENTER(symbol);                                                                           \
  ::sim::Context* context = nullptr;                                                           \
  if (const CUresult sim_usable = ::sim::usable_context(&context); sim_usable != CUDA_SUCCESS) \
  return sim_usable

namespace sim {

// One entry point: its name and how often it was called. Lives in its function, is linked into the
// list of all at the first call.
class Call {
 public:
  constexpr explicit Call(const char* symbol) : symbol_(symbol), kind_(kind_of_call(symbol)) {}
  CUresult enter(const void* caller) {
    if (kind_ != CallKind::Other) count_host_call(kind_);
    if (calls_.fetch_add(1, std::memory_order_relaxed) == 0) link();
    return faults_armed.load(std::memory_order_relaxed) ? injected(caller) : CUDA_SUCCESS;
  }
  const char* symbol() const { return symbol_; }
  uint64_t calls() const { return calls_.load(std::memory_order_relaxed); }
  const Call* next() const { return next_; }
  static const Call* first();

 private:
  friend void arm_faults();
  void link();
  CUresult injected(const void* caller);

  static std::atomic<bool> faults_armed;
  const char* symbol_;
  CallKind kind_;
  std::atomic<uint64_t> calls_{0};
  Call* next_ = nullptr;
};

// An exception that would leave an entry point ends the process instead: the caller may be C.
class NoThrow {
 public:
  ~NoThrow() {
    if (std::uncaught_exceptions() != before_) std::terminate();
  }

 private:
  const int before_ = std::uncaught_exceptions();
};

bool initialised();  // after cuInit, and not in a forked child of the process that called it
bool initialise();   // what cuInit does; false in such a child

}  // namespace sim
