// SPDX-License-Identifier: Apache-2.0
// Entry points that exist twice: the plain symbol, in which a null stream is the legacy stream, and
// the _ptsz or _ptds one, in which it is the calling thread's own.
#pragma once

#include "tests/sim/driver/api.h"

#define SIM_LIST(...) __VA_ARGS__

// SIM_TWIN(cuStreamQuery, _ptsz, (CUstream stream), (stream)) { body: context, per_thread, stream }
#define SIM_TWIN(symbol, suffix, parameters, arguments)                                         \
  static CUresult symbol##_body(::sim::Context* context, bool per_thread, SIM_LIST parameters); \
  SIM_API symbol parameters {                                                                   \
    SIM_ENTER_CONTEXT(symbol, context);                                                         \
    return symbol##_body(context, false, SIM_LIST arguments);                                   \
  }                                                                                             \
  SIM_API symbol##suffix parameters {                                                           \
    SIM_ENTER_CONTEXT(symbol##suffix, context);                                                 \
    return symbol##_body(context, true, SIM_LIST arguments);                                    \
  }                                                                                             \
  static CUresult symbol##_body([[maybe_unused]] ::sim::Context* context,                       \
                                [[maybe_unused]] bool per_thread, SIM_LIST parameters)
