// SPDX-License-Identifier: Apache-2.0
// What small driver-API programs begin with: a call that ends them when it fails, and a device with
// a module and a stream. Header-only: such a program links nothing of ours.
#pragma once

#include <cuda.h>
#include <errno.h>

#include <cstdio>
#include <cstdlib>

namespace support {

inline void must(CUresult result, const char* call) {
  if (result == CUDA_SUCCESS) return;
  const char* name = nullptr;
  cuGetErrorName(result, &name);
  std::fprintf(stderr, "%s: %s failed: %s (%d)\n", program_invocation_short_name, call,
               name != nullptr ? name : "?", static_cast<int>(result));
  std::exit(1);
}
#define MUST(call) support::must((call), #call)

struct Stage {
  CUdevice device = 0;
  CUmodule module = nullptr;
  CUstream stream = nullptr;

  CUfunction function(const char* name) const {
    CUfunction found = nullptr;
    MUST(cuModuleGetFunction(&found, module, name));
    return found;
  }
};

// The primary context of device 0, current, as cudart makes it; a non-blocking stream. `image`: of
// the module; null: none.
inline Stage set_stage(const void* image) {
  Stage stage;
  CUcontext context = nullptr;
  MUST(cuInit(0));
  MUST(cuDeviceGet(&stage.device, 0));
  MUST(cuDevicePrimaryCtxRetain(&context, stage.device));
  MUST(cuCtxSetCurrent(context));
  if (image != nullptr) MUST(cuModuleLoadData(&stage.module, image));
  MUST(cuStreamCreate(&stage.stream, CU_STREAM_NON_BLOCKING));
  return stage;
}

}  // namespace support
