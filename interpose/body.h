// SPDX-License-Identifier: Apache-2.0
// How a body is written. The signature is checked against cuda.h by the compiler, and that there is
// one for every row of hooks.def by the linker. No exception can leave: what a body calls is
// noexcept.
//
//   BODY(symbol, (parameters), (arguments), expression)
//
// defines the exported function. When something is served and the call is the application's, its
// answer is `expression`, in which `manager` is the Manager, `submit()` makes the driver's own call
// with `arguments`, and `on(stream)` names a stream as this variant of the function means it.
// Otherwise the answer is submit().
//
// BODY_PTSZ and BODY_PTDS define the function and its per-thread-default-stream twin of that
// suffix; STARTING_... starts the Manager when there is none.
#pragma once

#include "interpose/routes.h"
#include "interpose/start.h"
#include "runtime/manager.h"
#include "runtime/nested.h"

#define SPILLWAY_EXPORT extern "C" __attribute__((visibility("default")))

#define SPILLWAY_BODY(obtain, symbol, thread, PARAMETERS, ARGUMENTS, ...)             \
  SPILLWAY_EXPORT CUresult symbol PARAMETERS {                                        \
    auto submit = [=]() noexcept -> CUresult {                                        \
      const auto driver = spillway::real<decltype(&::symbol)>(spillway::Row::symbol); \
      return driver != nullptr ? driver ARGUMENTS : CUDA_ERROR_NOT_SUPPORTED;         \
    };                                                                                \
    [[maybe_unused]] const auto on = [](CUstream stream) {                            \
      return spillway::StreamRef{stream, thread};                                     \
    };                                                                                \
    const spillway::Call call;                                                        \
    if (call.nested()) return submit();                                               \
    spillway::Manager* const manager = spillway::obtain();                            \
    if (manager == nullptr) return submit();                                          \
    return __VA_ARGS__;                                                               \
  }

#define BODY(symbol, PARAMETERS, ARGUMENTS, ...) \
  SPILLWAY_BODY(running_manager, symbol, false, PARAMETERS, ARGUMENTS, __VA_ARGS__)
#define BODY_PTSZ(symbol, PARAMETERS, ARGUMENTS, ...) \
  BODY(symbol, PARAMETERS, ARGUMENTS, __VA_ARGS__)    \
  SPILLWAY_BODY(running_manager, symbol##_ptsz, true, PARAMETERS, ARGUMENTS, __VA_ARGS__)
#define BODY_PTDS(symbol, PARAMETERS, ARGUMENTS, ...) \
  BODY(symbol, PARAMETERS, ARGUMENTS, __VA_ARGS__)    \
  SPILLWAY_BODY(running_manager, symbol##_ptds, true, PARAMETERS, ARGUMENTS, __VA_ARGS__)

#define STARTING_BODY(symbol, PARAMETERS, ARGUMENTS, ...) \
  SPILLWAY_BODY(manager_or_start, symbol, false, PARAMETERS, ARGUMENTS, __VA_ARGS__)
#define STARTING_BODY_PTSZ(symbol, PARAMETERS, ARGUMENTS, ...) \
  STARTING_BODY(symbol, PARAMETERS, ARGUMENTS, __VA_ARGS__)    \
  SPILLWAY_BODY(manager_or_start, symbol##_ptsz, true, PARAMETERS, ARGUMENTS, __VA_ARGS__)
