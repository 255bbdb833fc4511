// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/cudart/state.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "tests/sim/cudart/driver.h"

namespace sim::cudart {
namespace {

struct Thread {
  int device = 0;
  cudaError_t last = cudaSuccess;
};
thread_local Thread thread;

struct Process {
  std::mutex mutex;
  std::map<CUdevice, CUcontext> retained;
  std::set<std::string> reported_missing;
};
Process& process() {
  static auto* const instance = new Process;
  return *instance;
}

// Errors after which the context is unusable and every later call fails alike.
bool sticky(cudaError_t error) {
  constexpr cudaError_t kSticky[] = {
      cudaErrorIllegalAddress,      cudaErrorLaunchTimeout,     cudaErrorAssert,
      cudaErrorHardwareStackError,  cudaErrorMisalignedAddress, cudaErrorIllegalInstruction,
      cudaErrorInvalidAddressSpace, cudaErrorInvalidPc,         cudaErrorLaunchFailure,
      cudaErrorECCUncorrectable,
  };
  return std::find(std::begin(kSticky), std::end(kSticky), error) != std::end(kSticky);
}

// The primary context of `device`, retained once per process.
CUresult primary_context(CUdevice device, CUcontext* context) {
  Process& state = process();
  std::lock_guard lock(state.mutex);
  CUcontext& held = state.retained[device];
  CUresult result = CUDA_SUCCESS;
  if (held == nullptr) result = drivers().legacy.DevicePrimaryCtxRetain(&held, device);
  *context = held;
  return result;
}

}  // namespace

cudaError_t translate(CUresult result) {
  if (result == CUDA_ERROR_STUB_LIBRARY) return cudaErrorInsufficientDriver;
  return static_cast<cudaError_t>(result);
}

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady && !sticky(thread.last))
    thread.last = error;
  return error;
}

cudaError_t last_error() {
  return thread.last;
}

cudaError_t take_last_error() {
  const cudaError_t error = thread.last;
  if (!sticky(error)) thread.last = cudaSuccess;
  return error;
}

void forget_errors() {
  thread.last = cudaSuccess;
}

cudaError_t device_handle(int ordinal, CUdevice* device) {
  const Drivers& all = drivers();
  if (all.status != CUDA_SUCCESS) return translate(all.status);
  int count = 0;
  if (const CUresult result = all.legacy.DeviceGetCount(&count); result != CUDA_SUCCESS)
    return translate(result);
  if (count == 0) return cudaErrorNoDevice;
  if (ordinal < 0 || ordinal >= count) return cudaErrorInvalidDevice;
  return translate(all.legacy.DeviceGet(device, ordinal));
}

cudaError_t need_context() {
  const Drivers& all = drivers();
  if (all.status != CUDA_SUCCESS) return translate(all.status);
  CUcontext context = nullptr;
  if (const CUresult result = all.legacy.CtxGetCurrent(&context); result != CUDA_SUCCESS)
    return translate(result);
  return context != nullptr ? cudaSuccess : select_device(thread.device);
}

cudaError_t current_device(int* device) {
  const Drivers& all = drivers();
  if (all.status != CUDA_SUCCESS) return translate(all.status);
  CUcontext context = nullptr;
  if (all.legacy.CtxGetCurrent(&context) == CUDA_SUCCESS && context != nullptr)
    return translate(all.legacy.CtxGetDevice(device, nullptr));
  *device = thread.device;
  return cudaSuccess;
}

cudaError_t select_device(int ordinal) {
  CUdevice device = 0;
  if (const cudaError_t error = device_handle(ordinal, &device); error != cudaSuccess) return error;
  CUcontext context = nullptr;
  CUresult result = primary_context(device, &context);
  if (result == CUDA_SUCCESS) result = drivers().legacy.CtxSetCurrent(context);
  if (result == CUDA_SUCCESS) thread.device = ordinal;
  return translate(result);
}

cudaError_t peer_contexts(int first, int second, CUcontext* first_context,
                          CUcontext* second_context) {
  if (const cudaError_t error = need_context(); error != cudaSuccess) return error;
  CUresult result = CUDA_SUCCESS;
  auto primary = [&result](int ordinal, CUcontext* context) {
    CUdevice device = 0;
    if (result != CUDA_SUCCESS) return cudaSuccess;
    const cudaError_t error = device_handle(ordinal, &device);
    if (error == cudaSuccess) result = primary_context(device, context);
    return error;
  };
  cudaError_t error = primary(first, first_context);
  if (error == cudaSuccess) error = primary(second, second_context);
  if (error != cudaSuccess) return error;
  return translate(result);
}

cudaError_t reset_device() {
  const Driver& driver = drivers().legacy;
  int device = 0;
  if (const cudaError_t error = current_device(&device); error != cudaSuccess) return error;
  Process& state = process();
  {
    std::lock_guard lock(state.mutex);
    if (state.retained.erase(device) == 0) return cudaSuccess;  // never used: nothing to reset
  }
  driver.CtxSetCurrent(nullptr);
  CUresult result = driver.DevicePrimaryCtxReset(device);
  driver.DevicePrimaryCtxRelease(device);  // the reset keeps our reference
  if (result == CUDA_SUCCESS) forget_errors();
  return translate(result);
}

void release_contexts() {
  Process& state = process();
  std::lock_guard lock(state.mutex);
  for (const auto& [device, context] : state.retained)
    if (context != nullptr) drivers().legacy.DevicePrimaryCtxRelease(device);
  state.retained.clear();
}

cudaError_t missing(const char* function) {
  Process& state = process();
  std::lock_guard lock(state.mutex);
  if (state.reported_missing.insert(function).second)
    fprintf(stderr, "libcudart (simulated): %s is not implemented\n", function);
  return remember(cudaErrorNotSupported);
}

}  // namespace sim::cudart
