// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/driver.h"

namespace spillway {

// "CUDA_ERROR_OUT_OF_MEMORY"; never null.
inline const char* error_name(const Driver& driver, CUresult result) noexcept {
  const char* name = nullptr;
  if (driver.cuGetErrorName) driver.cuGetErrorName(result, &name);
  return name ? name : "an unknown CUresult";
}

}  // namespace spillway
