// SPDX-License-Identifier: Apache-2.0
// Kernel launches and host functions. Compiled for both kinds of default stream.
#include "tests/sim/cudart/call.h"
#include "tests/sim/cudart/convert.h"
#include "tests/sim/cudart/registry.h"

namespace sim::cudart {
inline namespace SIM_STREAMS {
namespace {

// The driver calls a bad shape an invalid value, the runtime an invalid configuration.
cudaError_t explain(cudaError_t error, dim3 grid, dim3 block) {
  if (error != cudaErrorInvalidValue) return error;
  int device = 0;
  if (current_device(&device) != cudaSuccess) return error;
  auto outside = [device](unsigned value, CUdevice_attribute limit) {
    int most = 0;
    driver().DeviceGetAttribute(&most, limit, device);
    return value == 0 || value > static_cast<unsigned>(most);
  };
  const bool bad = outside(grid.x, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X) ||
                   outside(grid.y, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y) ||
                   outside(grid.z, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z) ||
                   outside(block.x, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X) ||
                   outside(block.y, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y) ||
                   outside(block.z, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z) ||
                   outside(block.x * block.y * block.z, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  return bad ? cudaErrorInvalidConfiguration : error;
}

// The driver takes a CUkernel where it says CUfunction.
cudaError_t launch(CUkernel kernel, dim3 grid, dim3 block, void** arguments, size_t shared,
                   cudaStream_t stream) {
  if (kernel == nullptr) return remember(last_kernel_failure());
  if (const cudaError_t error = need_context(); error != cudaSuccess) return remember(error);
  const CUresult result = invoke(&Driver::LaunchKernel, kernel, grid.x, grid.y, grid.z, block.x,
                                 block.y, block.z, shared, stream, arguments, nullptr);
  return remember(explain(translate(result), grid, block));
}

}  // namespace
}  // namespace SIM_STREAMS
}  // namespace sim::cudart

using namespace sim::cudart;

// What `<<<>>>` compiles to; the handle comes from __cudaGetKernel.
#ifdef CUDA_API_PER_THREAD_DEFAULT_STREAM
#define __cudaLaunchKernel __cudaLaunchKernel_ptsz
#endif
CUDART_EXPORT cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block,
                                             void** arguments, size_t shared, cudaStream_t stream) {
  return launch(kernel, grid, block, arguments, shared, stream);
}

CUDART_EXPORT cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block,
                                           void** arguments, size_t shared, cudaStream_t stream) {
  CUkernel kernel = nullptr;
  if (const cudaError_t error = find_kernel(function, &kernel); error != cudaSuccess)
    return remember(error);
  return launch(kernel, grid, block, arguments, shared, stream);
}

CUDART_EXPORT cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3 grid, dim3 block,
                                                      void** arguments, size_t shared,
                                                      cudaStream_t stream) {
  CUkernel kernel = nullptr;
  cudaError_t error = find_kernel(function, &kernel);
  if (error == cudaSuccess) error = need_context();
  if (error != cudaSuccess) return remember(error);
  const CUresult result = invoke(&Driver::LaunchCooperativeKernel, kernel, grid.x, grid.y, grid.z,
                                 block.x, block.y, block.z, shared, stream, arguments);
  return remember(explain(translate(result), grid, block));
}

CUDART_EXPORT cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config,
                                              const void* function, void** arguments) {
  if (config == nullptr) return remember(cudaErrorInvalidValue);
  CUkernel kernel = nullptr;
  cudaError_t error = find_kernel(function, &kernel);
  if (error == cudaSuccess) error = need_context();
  if (error != cudaSuccess) return remember(error);
  const CUlaunchConfig driver_config = to_driver(*config);
  const CUresult result =
      invoke(&Driver::LaunchKernelEx, &driver_config, kernel, arguments, nullptr);
  return remember(explain(translate(result), config->gridDim, config->blockDim));
}

CUDART_EXPORT cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function,
                                             void* data) {
  return call(&Driver::LaunchHostFunc, stream, function, data);
}

CUDART_EXPORT cudaError_t cudaGetDriverEntryPointByVersion(
    const char* symbol, void** function, unsigned version, unsigned long long flags,
    cudaDriverEntryPointQueryResult* status) {
  if (symbol == nullptr || function == nullptr || flags > cudaEnablePerThreadDefaultStream)
    return remember(cudaErrorInvalidValue);
  const Drivers& all = drivers();
  if (all.get_proc_address == nullptr) return remember(all.status);
  if (flags == cudaEnableDefault && kPerThread) flags = cudaEnablePerThreadDefaultStream;
  CUdriverProcAddressQueryResult found = CU_GET_PROC_ADDRESS_SUCCESS;
  *function = nullptr;
  const CUresult result =
      all.get_proc_address(symbol, function, static_cast<int>(version), flags, &found);
  if (status != nullptr) *status = static_cast<cudaDriverEntryPointQueryResult>(found);
  // A symbol that is not there is an answer when the caller asked for the status.
  if (result == CUDA_ERROR_NOT_FOUND) return status != nullptr ? cudaSuccess : remember(result);
  return remember(result);
}

CUDART_EXPORT cudaError_t cudaGetDriverEntryPoint(const char* symbol, void** function,
                                                  unsigned long long flags,
                                                  cudaDriverEntryPointQueryResult* status) {
  return cudaGetDriverEntryPointByVersion(symbol, function, CUDART_VERSION, flags, status);
}
