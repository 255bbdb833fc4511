// SPDX-License-Identifier: Apache-2.0
// What the libraries of caller.cpp offer.
#pragma once

#include <cuda.h>

#include <cstddef>

extern "C" __attribute__((visibility("default"))) CUresult allocate_for_itself(CUdeviceptr* out,
                                                                               size_t bytes);
