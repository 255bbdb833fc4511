// SPDX-License-Identifier: Apache-2.0
// Kernels as objects: attributes, parameters, occupancy, launch configurations, libraries.
#include <type_traits>
#include <vector>

#include "tests/sim/cudart/call.h"
#include "tests/sim/cudart/convert.h"
#include "tests/sim/cudart/registry.h"

namespace sim::cudart {
namespace {

// The kernel behind a host stub, and the device of this thread.
cudaError_t resolve(const void* function, CUkernel* kernel, int* device) {
  cudaError_t error = find_kernel(function, kernel);
  if (error == cudaSuccess) error = need_context();
  return error != cudaSuccess ? error : current_device(device);
}

// The runtime's attribute numbers are the driver's; only these two may be set by value.
bool settable(cudaFuncAttribute attribute) {
  switch (attribute) {
    case cudaFuncAttributeMaxDynamicSharedMemorySize:
    case cudaFuncAttributePreferredSharedMemoryCarveout:
    case cudaFuncAttributeRequiredClusterWidth:
    case cudaFuncAttributeRequiredClusterHeight:
    case cudaFuncAttributeRequiredClusterDepth:
    case cudaFuncAttributeNonPortableClusterSizeAllowed:
    case cudaFuncAttributeClusterSchedulingPolicyPreference:
      return true;
    case cudaFuncAttributeClusterDimMustBeSet:
    case cudaFuncAttributeMax:
      return false;
  }
  return false;
}

// The driver's occupancy functions want a function of the current context.
cudaError_t context_function(const void* stub, CUfunction* function) {
  CUkernel kernel = nullptr;
  int device = 0;
  if (const cudaError_t error = resolve(stub, &kernel, &device); error != cudaSuccess) return error;
  return translate(invoke(&Driver::KernelGetFunction, function, kernel));
}

}  // namespace
}  // namespace sim::cudart

using namespace sim::cudart;

namespace {
struct Call {
  dim3 grid, block;
  size_t shared = 0;
  void* stream = nullptr;
};
// A stack: an argument of one <<<>>> may itself contain another.
thread_local std::vector<Call> calls;
}  // namespace

CUDART_EXPORT unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared,
                                                   CUstream_st* stream) {
  calls.push_back({grid, block, shared, stream});
  return 0;
}
CUDART_EXPORT cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared,
                                                     void* stream) {
  if (calls.empty()) return remember(cudaErrorMissingConfiguration);
  *grid = calls.back().grid;
  *block = calls.back().block;
  *shared = calls.back().shared;
  *static_cast<void**>(stream) = calls.back().stream;
  calls.pop_back();
  return cudaSuccess;
}

CUDART_EXPORT cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* out, const void* function) {
  CUkernel kernel = nullptr;
  int device = 0;
  if (out == nullptr) return remember(cudaErrorInvalidValue);
  if (const cudaError_t error = resolve(function, &kernel, &device); error != cudaSuccess)
    return remember(error);
  *out = {};
  CUresult result = CUDA_SUCCESS;
  auto get = [&](CUfunction_attribute attribute, auto* member) {
    int value = 0;
    const CUresult one = invoke(&Driver::KernelGetAttribute, &value, attribute, kernel, device);
    if (one == CUDA_SUCCESS) *member = static_cast<std::remove_pointer_t<decltype(member)>>(value);
    return one;
  };
  auto must = [&](CUfunction_attribute attribute, auto* member) {
    if (result == CUDA_SUCCESS) result = get(attribute, member);
  };
  must(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, &out->sharedSizeBytes);
  must(CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES, &out->constSizeBytes);
  must(CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, &out->localSizeBytes);
  must(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, &out->maxThreadsPerBlock);
  must(CU_FUNC_ATTRIBUTE_NUM_REGS, &out->numRegs);
  must(CU_FUNC_ATTRIBUTE_PTX_VERSION, &out->ptxVersion);
  must(CU_FUNC_ATTRIBUTE_BINARY_VERSION, &out->binaryVersion);
  must(CU_FUNC_ATTRIBUTE_CACHE_MODE_CA, &out->cacheModeCA);
  must(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, &out->maxDynamicSharedSizeBytes);
  must(CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, &out->preferredShmemCarveout);
  // Newer than the driver's first form of them: 0 where it does not know.
  get(CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET, &out->clusterDimMustBeSet);
  get(CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH, &out->requiredClusterWidth);
  get(CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT, &out->requiredClusterHeight);
  get(CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH, &out->requiredClusterDepth);
  get(CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE,
      &out->clusterSchedulingPolicyPreference);
  get(CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, &out->nonPortableClusterSizeAllowed);
  return remember(result);
}

CUDART_EXPORT cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute,
                                               int value) {
  CUkernel kernel = nullptr;
  int device = 0;
  if (!settable(attribute)) return remember(cudaErrorInvalidValue);
  if (const cudaError_t error = resolve(function, &kernel, &device); error != cudaSuccess)
    return remember(error);
  return call(&Driver::KernelSetAttribute, attribute, value, kernel, device);
}
CUDART_EXPORT cudaError_t cudaKernelSetAttributeForDevice(cudaKernel_t kernel,
                                                          cudaFuncAttribute attribute, int value,
                                                          int device) {
  if (!settable(attribute)) return remember(cudaErrorInvalidValue);
  return call(&Driver::KernelSetAttribute, attribute, value, kernel, device);
}
CUDART_EXPORT cudaError_t cudaFuncSetCacheConfig(const void* function, cudaFuncCache config) {
  CUkernel kernel = nullptr;
  int device = 0;
  if (const cudaError_t error = resolve(function, &kernel, &device); error != cudaSuccess)
    return remember(error);
  return call(&Driver::KernelSetCacheConfig, kernel, config, device);
}
// Bank size has been fixed since Maxwell: accepted and without effect, as in NVIDIA's runtime.
CUDART_EXPORT cudaError_t cudaFuncSetSharedMemConfig(const void* function, cudaSharedMemConfig) {
  CUkernel kernel = nullptr;
  return remember(find_kernel(function, &kernel));
}
CUDART_EXPORT cudaError_t cudaFuncGetName(const char** name, const void* function) {
  CUkernel kernel = nullptr;
  if (const cudaError_t error = find_kernel(function, &kernel); error != cudaSuccess)
    return remember(error);
  return call(&Driver::KernelGetName, name, kernel);
}
CUDART_EXPORT cudaError_t cudaFuncGetParamInfo(const void* function, size_t index, size_t* offset,
                                               size_t* size) {
  CUkernel kernel = nullptr;
  if (const cudaError_t error = find_kernel(function, &kernel); error != cudaSuccess)
    return remember(error);
  return call(&Driver::KernelGetParamInfo, kernel, index, offset, size);
}

CUDART_EXPORT cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int* blocks, const void* function, int block_size, size_t dynamic_shared, unsigned flags) {
  CUfunction handle = nullptr;
  if (const cudaError_t error = context_function(function, &handle); error != cudaSuccess)
    return remember(error);
  return call(&Driver::OccupancyMaxActiveBlocksPerMultiprocessorWithFlags, blocks, handle,
              block_size, dynamic_shared, flags);
}
CUDART_EXPORT cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks,
                                                                        const void* function,
                                                                        int block_size,
                                                                        size_t dynamic_shared) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
      blocks, function, block_size, dynamic_shared, cudaOccupancyDefault);
}
CUDART_EXPORT cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(size_t* bytes,
                                                                    const void* function,
                                                                    int blocks, int block_size) {
  CUfunction handle = nullptr;
  if (const cudaError_t error = context_function(function, &handle); error != cudaSuccess)
    return remember(error);
  return call(&Driver::OccupancyAvailableDynamicSMemPerBlock, bytes, handle, blocks, block_size);
}
CUDART_EXPORT cudaError_t cudaOccupancyMaxPotentialClusterSize(int* size, const void* function,
                                                               const cudaLaunchConfig_t* config) {
  CUfunction handle = nullptr;
  if (config == nullptr) return remember(cudaErrorInvalidValue);
  if (const cudaError_t error = context_function(function, &handle); error != cudaSuccess)
    return remember(error);
  const CUlaunchConfig driver_config = to_driver(*config);
  return call(&Driver::OccupancyMaxPotentialClusterSize, size, handle, &driver_config);
}
CUDART_EXPORT cudaError_t cudaOccupancyMaxActiveClusters(int* count, const void* function,
                                                         const cudaLaunchConfig_t* config) {
  CUfunction handle = nullptr;
  if (config == nullptr) return remember(cudaErrorInvalidValue);
  if (const cudaError_t error = context_function(function, &handle); error != cudaSuccess)
    return remember(error);
  const CUlaunchConfig driver_config = to_driver(*config);
  return call(&Driver::OccupancyMaxActiveClusters, count, handle, &driver_config);
}

CUDART_EXPORT cudaError_t cudaLibraryLoadData(cudaLibrary_t* library, const void* code,
                                              cudaJitOption* jit, void** jit_values,
                                              unsigned jit_count, cudaLibraryOption* options,
                                              void** values, unsigned count) {
  return call(&Driver::LibraryLoadData, library, code, jit, jit_values, jit_count, options, values,
              count);
}
CUDART_EXPORT cudaError_t cudaLibraryLoadFromFile(cudaLibrary_t* library, const char* file,
                                                  cudaJitOption* jit, void** jit_values,
                                                  unsigned jit_count, cudaLibraryOption* options,
                                                  void** values, unsigned count) {
  return call(&Driver::LibraryLoadFromFile, library, file, jit, jit_values, jit_count, options,
              values, count);
}
CUDART_EXPORT cudaError_t cudaLibraryUnload(cudaLibrary_t library) {
  return call(&Driver::LibraryUnload, library);
}
CUDART_EXPORT cudaError_t cudaLibraryGetKernel(cudaKernel_t* kernel, cudaLibrary_t library,
                                               const char* name) {
  const cudaError_t error = call(&Driver::LibraryGetKernel, kernel, library, name);
  if (error == cudaSuccess) accept_kernel(*kernel);
  return error;
}
CUDART_EXPORT cudaError_t cudaLibraryGetGlobal(void** address, size_t* bytes, cudaLibrary_t library,
                                               const char* name) {
  return call(&Driver::LibraryGetGlobal, address, bytes, library, name);
}
CUDART_EXPORT cudaError_t cudaLibraryGetManaged(void** address, size_t* bytes,
                                                cudaLibrary_t library, const char* name) {
  return call(&Driver::LibraryGetManaged, address, bytes, library, name);
}
CUDART_EXPORT cudaError_t cudaLibraryGetUnifiedFunction(void** address, cudaLibrary_t library,
                                                        const char* symbol) {
  return call(&Driver::LibraryGetUnifiedFunction, address, library, symbol);
}
CUDART_EXPORT cudaError_t cudaLibraryGetKernelCount(unsigned* count, cudaLibrary_t library) {
  return call(&Driver::LibraryGetKernelCount, count, library);
}
CUDART_EXPORT cudaError_t cudaLibraryEnumerateKernels(cudaKernel_t* kernels, unsigned count,
                                                      cudaLibrary_t library) {
  unsigned available = 0;
  cudaError_t error = call(&Driver::LibraryGetKernelCount, &available, library);
  if (error == cudaSuccess) error = call(&Driver::LibraryEnumerateKernels, kernels, count, library);
  for (unsigned i = 0; error == cudaSuccess && i < count && i < available; ++i)
    accept_kernel(kernels[i]);
  return error;
}
