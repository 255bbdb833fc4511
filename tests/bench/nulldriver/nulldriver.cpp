// SPDX-License-Identifier: Apache-2.0
// A libcuda.so.1 that does nothing as fast as possible: launches return at once, memory is
// bookkeeping over mmap. What a library in front costs can be measured against it without the noise
// of a driver. It is no simulator: it checks nothing.
#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
#include <dlfcn.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#define NULL_API extern "C" __attribute__((visibility("default"))) CUresult

namespace {

constexpr size_t kTotal = size_t{64} << 30;
constexpr size_t kGranularity = size_t{2} << 20;
// Distinct things need distinct handles, and nobody looks inside.
CUcontext const kContext = reinterpret_cast<CUcontext>(0x1000);
thread_local CUcontext current = nullptr;
uintptr_t next_handle = 0x10000;

template <class Handle>
Handle fresh() {
  return reinterpret_cast<Handle>(__atomic_add_fetch(&next_handle, 16, __ATOMIC_RELAXED));
}

struct Kernel {
  const char* name;
  size_t count;
  size_t bytes;
};
constexpr Kernel kKernels[] = {{"pointers_0", 0, 8}, {"pointers_1", 1, 8},   {"pointers_4", 4, 8},
                               {"pointers_8", 8, 8}, {"pointers_16", 16, 8}, {"bytes_512", 1, 512}};

CUresult param_info(const void* kernel, size_t index, size_t* offset, size_t* size) {
  const auto* info = static_cast<const Kernel*>(kernel);
  if (index >= info->count) return CUDA_ERROR_INVALID_VALUE;
  *offset = index * info->bytes;
  if (size != nullptr) *size = info->bytes;
  return CUDA_SUCCESS;
}

CUresult map_memory(void* at, size_t bytes, int fixed, void** out) {
  void* memory = mmap(at, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
  if (memory == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
  if (out != nullptr) *out = memory;
  return CUDA_SUCCESS;
}

}  // namespace

// --- start ---

NULL_API cuInit(unsigned) {
  return CUDA_SUCCESS;
}
NULL_API cuDriverGetVersion(int* version) {
  *version = CUDA_VERSION;
  return CUDA_SUCCESS;
}
NULL_API cuDeviceGet(CUdevice* device, int) {
  *device = 0;
  return CUDA_SUCCESS;
}
NULL_API cuDeviceGetCount(int* count) {
  *count = 1;
  return CUDA_SUCCESS;
}
NULL_API cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  *value = attribute == CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID ? 0 : 1;
  return CUDA_SUCCESS;
}
NULL_API cuDeviceTotalMem_v2(size_t* bytes, CUdevice) {
  *bytes = kTotal;
  return CUDA_SUCCESS;
}
NULL_API cuDeviceGetDefaultMemPool(CUmemoryPool* pool, CUdevice) {
  *pool = reinterpret_cast<CUmemoryPool>(0x2000);
  return CUDA_SUCCESS;
}
NULL_API cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) {
  *context = kContext;
  return CUDA_SUCCESS;
}
NULL_API cuDevicePrimaryCtxRelease_v2(CUdevice) {
  return CUDA_SUCCESS;
}
NULL_API cuDevicePrimaryCtxGetState(CUdevice, unsigned* flags, int* active) {
  *flags = 0;
  *active = 1;
  return CUDA_SUCCESS;
}
NULL_API cuCtxSetCurrent(CUcontext context) {
  current = context;
  return CUDA_SUCCESS;
}
NULL_API cuCtxGetCurrent(CUcontext* context) {
  *context = current;
  return CUDA_SUCCESS;
}
NULL_API cuCtxPushCurrent_v2(CUcontext context) {
  return cuCtxSetCurrent(context);
}
NULL_API cuCtxPopCurrent_v2(CUcontext* context) {
  return cuCtxGetCurrent(context);
}
NULL_API cuCtxGetDevice(CUdevice* device) {
  return cuDeviceGet(device, 0);
}
NULL_API cuCtxSynchronize() {
  return CUDA_SUCCESS;
}
NULL_API cuGetErrorName(CUresult, const char** name) {
  *name = "CUDA_ERROR";
  return CUDA_SUCCESS;
}

// --- kernels ---

NULL_API cuModuleLoadData(CUmodule* module, const void*) {
  *module = fresh<CUmodule>();
  return CUDA_SUCCESS;
}
NULL_API cuModuleGetFunction(CUfunction* function, CUmodule, const char* name) {
  for (const Kernel& kernel : kKernels) {
    if (std::strcmp(kernel.name, name) != 0) continue;
    *function = reinterpret_cast<CUfunction>(const_cast<Kernel*>(&kernel));
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_NOT_FOUND;
}
NULL_API cuFuncGetParamInfo(CUfunction function, size_t index, size_t* offset, size_t* size) {
  return param_info(function, index, offset, size);
}
NULL_API cuKernelGetParamInfo(CUkernel kernel, size_t index, size_t* offset, size_t* size) {
  return param_info(kernel, index, offset, size);
}
NULL_API cuLaunchKernel(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                        unsigned, CUstream, void**, void**) {
  return CUDA_SUCCESS;
}

// --- memory ---

NULL_API cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  return map_memory(nullptr, bytes, 0, reinterpret_cast<void**>(address));
}
NULL_API cuMemFree_v2(CUdeviceptr) {
  return CUDA_SUCCESS;
}
NULL_API cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
  return map_memory(nullptr, bytes, 0, memory);
}
NULL_API cuMemFreeHost(void*) {
  return CUDA_SUCCESS;
}
NULL_API cuMemGetInfo_v2(size_t* free, size_t* total) {
  *free = *total = kTotal;
  return CUDA_SUCCESS;
}
NULL_API cuMemGetAllocationGranularity(size_t* granularity, const CUmemAllocationProp*,
                                       CUmemAllocationGranularity_flags) {
  *granularity = kGranularity;
  return CUDA_SUCCESS;
}
NULL_API cuMemAddressReserve(CUdeviceptr* address, size_t bytes, size_t, CUdeviceptr,
                             unsigned long long) {
  // One granule more, so that the start can be aligned.
  void* memory = mmap(nullptr, bytes + kGranularity, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
  *address = (reinterpret_cast<CUdeviceptr>(memory) + kGranularity - 1) & ~(kGranularity - 1);
  return CUDA_SUCCESS;
}
NULL_API cuMemAddressFree(CUdeviceptr, size_t) {
  return CUDA_SUCCESS;
}
NULL_API cuMemCreate(CUmemGenericAllocationHandle* handle, size_t, const CUmemAllocationProp*,
                     unsigned long long) {
  *handle = fresh<uintptr_t>();
  return CUDA_SUCCESS;
}
NULL_API cuMemRelease(CUmemGenericAllocationHandle) {
  return CUDA_SUCCESS;
}
NULL_API cuMemMap(CUdeviceptr address, size_t bytes, size_t, CUmemGenericAllocationHandle,
                  unsigned long long) {
  return map_memory(reinterpret_cast<void*>(address), bytes, MAP_FIXED, nullptr);
}
NULL_API cuMemUnmap(CUdeviceptr, size_t) {
  return CUDA_SUCCESS;
}
NULL_API cuMemSetAccess(CUdeviceptr, size_t, const CUmemAccessDesc*, size_t) {
  return CUDA_SUCCESS;
}
NULL_API cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream) {
  std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
  return CUDA_SUCCESS;
}

// --- streams and events ---

NULL_API cuStreamCreate(CUstream* stream, unsigned) {
  *stream = fresh<CUstream>();
  return CUDA_SUCCESS;
}
NULL_API cuStreamCreateWithPriority(CUstream* stream, unsigned, int) {
  return cuStreamCreate(stream, 0);
}
NULL_API cuStreamDestroy_v2(CUstream) {
  return CUDA_SUCCESS;
}
NULL_API cuStreamSynchronize(CUstream) {
  return CUDA_SUCCESS;
}
NULL_API cuStreamWaitEvent(CUstream, CUevent, unsigned) {
  return CUDA_SUCCESS;
}
NULL_API cuStreamGetCtx(CUstream, CUcontext* context) {
  *context = kContext;
  return CUDA_SUCCESS;
}
NULL_API cuStreamIsCapturing(CUstream, CUstreamCaptureStatus* status) {
  *status = CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}
NULL_API cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  *mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  return CUDA_SUCCESS;
}
NULL_API cuEventCreate(CUevent* event, unsigned) {
  *event = fresh<CUevent>();
  return CUDA_SUCCESS;
}
NULL_API cuEventDestroy_v2(CUevent) {
  return CUDA_SUCCESS;
}
NULL_API cuEventRecord(CUevent, CUstream) {
  return CUDA_SUCCESS;
}
NULL_API cuEventQuery(CUevent) {
  return CUDA_SUCCESS;
}
NULL_API cuEventSynchronize(CUevent) {
  return CUDA_SUCCESS;
}
