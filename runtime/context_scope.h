// SPDX-License-Identifier: Apache-2.0
// For the length of a scope: another current context on this thread.
#pragma once

#include "runtime/driver.h"

namespace spillway {

class ContextScope {
 public:
  ContextScope(const Driver& driver, CUcontext wanted) noexcept : driver_(driver) {
    CUcontext current = nullptr;
    driver_.cuCtxGetCurrent(&current);
    pushed_ = wanted && current != wanted && driver_.cuCtxPushCurrent_v2(wanted) == CUDA_SUCCESS;
  }
  ~ContextScope() {
    CUcontext popped = nullptr;
    if (pushed_) driver_.cuCtxPopCurrent_v2(&popped);
  }
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  const Driver& driver_;
  bool pushed_ = false;
};

}  // namespace spillway
