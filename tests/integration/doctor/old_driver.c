// SPDX-License-Identifier: Apache-2.0
// A libcuda.so.1 of long ago: it has no function to map memory, nor to name an error. OLD_DRIVER
// names a function that hangs ("hang cuInit") or crashes ("crash cuDeviceGetName").
#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OLD_API __attribute__((visibility("default"))) CUresult

static void misbehave(const char* function) {
  const char* what = getenv("OLD_DRIVER");
  if (!what) return;
  const char* name = strchr(what, ' ');
  if (!name || strcmp(name + 1, function) != 0) return;
  if (what[0] == 'c') raise(SIGSEGV);
  for (;;) pause();
}

OLD_API cuInit(unsigned flags) {
  misbehave(__func__);
  return flags ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}
OLD_API cuDriverGetVersion(int* version) {
  *version = 11040;
  return CUDA_SUCCESS;
}
OLD_API cuDeviceGetCount(int* count) {
  *count = 1;
  return CUDA_SUCCESS;
}
OLD_API cuDeviceGet(CUdevice* device, int ordinal) {
  *device = ordinal;
  return CUDA_SUCCESS;
}
OLD_API cuDeviceGetName(char* name, int size, CUdevice device) {
  misbehave(__func__);
  if (device != 0 || size < 8) return CUDA_ERROR_INVALID_VALUE;
  strcpy(name, "Old GPU");
  return CUDA_SUCCESS;
}
OLD_API cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
  *bytes = (size_t)4 << 30;
  return device ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}
OLD_API cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  *context = (CUcontext)16;
  return device ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}
OLD_API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  return device ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}
OLD_API cuCtxSetCurrent(CUcontext context) {
  return context ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}
OLD_API cuMemGetInfo_v2(size_t* free, size_t* total) {
  *free = *total = (size_t)4 << 30;
  return CUDA_SUCCESS;
}
