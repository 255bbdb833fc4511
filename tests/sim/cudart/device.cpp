// SPDX-License-Identifier: Apache-2.0
// Devices: which there are, what they can do, which one this thread uses, its settings and its
// peers.
#include <type_traits>

#include "tests/sim/cudart/call.h"

using namespace sim::cudart;

CUDART_EXPORT cudaError_t cudaRuntimeGetVersion(int* version) {
  if (version == nullptr) return remember(cudaErrorInvalidValue);
  *version = CUDART_VERSION;
  return cudaSuccess;
}
// Without a driver: version 0, and success.
CUDART_EXPORT cudaError_t cudaDriverGetVersion(int* version) {
  if (version == nullptr) return remember(cudaErrorInvalidValue);
  *version = drivers().version;
  return cudaSuccess;
}

CUDART_EXPORT cudaError_t cudaGetDeviceCount(int* count) {
  if (count == nullptr) return remember(cudaErrorInvalidValue);
  *count = 0;
  const cudaError_t error = call_bare(&Driver::DeviceGetCount, count);
  return error == cudaSuccess && *count == 0 ? remember(cudaErrorNoDevice) : error;
}

CUDART_EXPORT cudaError_t cudaSetDevice(int device) {
  return remember(select_device(device));
}

CUDART_EXPORT cudaError_t cudaInitDevice(int device, unsigned device_flags, unsigned flags) {
  CUdevice handle = 0;
  cudaError_t error = device_handle(device, &handle);
  if (error == cudaSuccess && (flags & cudaInitDeviceFlagsAreValid) != 0)
    error = translate(invoke(&Driver::DevicePrimaryCtxSetFlags, handle, device_flags));
  if (error != cudaSuccess) return remember(error);
  // It initialises that device and leaves the thread's own as it is.
  int before = 0;
  CUcontext current = nullptr;
  current_device(&before);
  driver().CtxGetCurrent(&current);
  error = select_device(device);
  if (error == cudaSuccess && current == nullptr && before != device) error = select_device(before);
  if (current != nullptr) driver().CtxSetCurrent(current);
  return remember(error);
}

CUDART_EXPORT cudaError_t cudaGetDevice(int* device) {
  if (device == nullptr) return remember(cudaErrorInvalidValue);
  CUdevice handle = 0;
  if (const cudaError_t error = device_handle(0, &handle); error != cudaSuccess)
    return remember(error);
  return remember(current_device(device));
}

CUDART_EXPORT cudaError_t cudaSetValidDevices(int* devices, int count) {
  if (count < 0 || (devices == nullptr && count > 0)) return remember(cudaErrorInvalidValue);
  for (int i = 0; i < count; ++i) {
    CUdevice handle = 0;
    if (const cudaError_t error = device_handle(devices[i], &handle); error != cudaSuccess)
      return remember(error);
  }
  return cudaSuccess;
}

CUDART_EXPORT cudaError_t cudaSetDeviceFlags(unsigned flags) {
  int device = 0;
  if (const cudaError_t error = current_device(&device); error != cudaSuccess)
    return remember(error);
  return call_bare(&Driver::DevicePrimaryCtxSetFlags, device, flags);
}
CUDART_EXPORT cudaError_t cudaGetDeviceFlags(unsigned* flags) {
  return call(&Driver::CtxGetFlags, flags);
}

CUDART_EXPORT cudaError_t cudaDeviceReset() {
  return remember(reset_device());
}
CUDART_EXPORT cudaError_t cudaDeviceSynchronize() {
  return call(&Driver::CtxSynchronize, nullptr);
}

CUDART_EXPORT cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  CUdevice handle = 0;
  if (const cudaError_t error = device_handle(device, &handle); error != cudaSuccess)
    return remember(error);
  return call_bare(&Driver::DeviceGetAttribute, value, attribute, handle);
}

CUDART_EXPORT cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  CUdevice handle = 0;
  if (properties == nullptr) return remember(cudaErrorInvalidValue);
  cudaError_t error = device_handle(device, &handle);
  if (error != cudaSuccess) return remember(error);
  *properties = {};
  CUresult result = invoke(&Driver::DeviceGetName, properties->name,
                           static_cast<int>(sizeof properties->name), handle);
  if (result == CUDA_SUCCESS)
    result = invoke(&Driver::DeviceTotalMem, &properties->totalGlobalMem, handle);
  if (result == CUDA_SUCCESS) invoke(&Driver::DeviceGetUuid, &properties->uuid, handle);
  int value = 0;
  // An attribute that the driver does not know leaves its member 0.
#define PROPERTY(member, attribute)                                                           \
  if (invoke(&Driver::DeviceGetAttribute, &value, CU_DEVICE_ATTRIBUTE_##attribute, handle) == \
      CUDA_SUCCESS)                                                                           \
    properties->member = static_cast<std::remove_reference_t<decltype(properties->member)>>(value);
#include "tests/sim/cudart/properties.def"
#undef PROPERTY
  return remember(result);
}

// The device whose capabilities come nearest: most matching wishes, the first among equals.
CUDART_EXPORT cudaError_t cudaChooseDevice(int* device, const cudaDeviceProp* wish) {
  int count = 0, best = -1;
  if (device == nullptr || wish == nullptr) return remember(cudaErrorInvalidValue);
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) return error;
  for (int candidate = 0; candidate < count; ++candidate) {
    cudaDeviceProp has;
    if (const cudaError_t error = cudaGetDeviceProperties(&has, candidate); error != cudaSuccess)
      return error;
    const int score =
        (has.major > wish->major || (has.major == wish->major && has.minor >= wish->minor)) +
        (has.totalGlobalMem >= wish->totalGlobalMem) +
        (has.multiProcessorCount >= wish->multiProcessorCount);
    if (score > best) best = score, *device = candidate;
  }
  return cudaSuccess;
}

CUDART_EXPORT cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  return call_bare(&Driver::DeviceGetPCIBusId, id, length, device);
}
CUDART_EXPORT cudaError_t cudaDeviceGetByPCIBusId(int* device, const char* id) {
  return call_bare(&Driver::DeviceGetByPCIBusId, device, id);
}
CUDART_EXPORT cudaError_t cudaDeviceGetP2PAttribute(int* value, cudaDeviceP2PAttr attribute,
                                                    int from, int to) {
  return call_bare(&Driver::DeviceGetP2PAttribute, value, attribute, from, to);
}

CUDART_EXPORT cudaError_t cudaDeviceSetLimit(cudaLimit limit, size_t value) {
  return call(&Driver::CtxSetLimit, limit, value);
}
CUDART_EXPORT cudaError_t cudaDeviceGetLimit(size_t* value, cudaLimit limit) {
  return call(&Driver::CtxGetLimit, value, limit);
}
CUDART_EXPORT cudaError_t cudaDeviceGetCacheConfig(cudaFuncCache* config) {
  return call(&Driver::CtxGetCacheConfig, config);
}
CUDART_EXPORT cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache config) {
  return call(&Driver::CtxSetCacheConfig, config);
}
CUDART_EXPORT cudaError_t cudaDeviceGetSharedMemConfig(cudaSharedMemConfig* config) {
  return call(&Driver::CtxGetSharedMemConfig, config);
}
CUDART_EXPORT cudaError_t cudaDeviceSetSharedMemConfig(cudaSharedMemConfig config) {
  return call(&Driver::CtxSetSharedMemConfig, config);
}
CUDART_EXPORT cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  return call(&Driver::CtxGetStreamPriorityRange, least, greatest);
}
CUDART_EXPORT cudaError_t cudaCtxResetPersistingL2Cache() {
  return call(&Driver::CtxResetPersistingL2Cache);
}
CUDART_EXPORT cudaError_t cudaDeviceFlushGPUDirectRDMAWrites(
    cudaFlushGPUDirectRDMAWritesTarget target, cudaFlushGPUDirectRDMAWritesScope scope) {
  return call(&Driver::FlushGPUDirectRDMAWrites, target, scope);
}

CUDART_EXPORT cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  return call_bare(&Driver::DeviceCanAccessPeer, can, device, peer);
}

namespace {
// The primary context of a device other than this thread's.
cudaError_t other_context(int peer, CUcontext* context) {
  int device = 0;
  CUcontext again = nullptr;
  const cudaError_t error = peer_contexts(peer, peer, context, &again);
  if (error != cudaSuccess) return error;
  current_device(&device);
  return peer == device ? cudaErrorInvalidDevice : cudaSuccess;
}
}  // namespace

CUDART_EXPORT cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags) {
  CUcontext context = nullptr;
  if (const cudaError_t error = other_context(peer, &context); error != cudaSuccess)
    return remember(error);
  return call(&Driver::CtxEnablePeerAccess, context, flags);
}
CUDART_EXPORT cudaError_t cudaDeviceDisablePeerAccess(int peer) {
  CUcontext context = nullptr;
  if (const cudaError_t error = other_context(peer, &context); error != cudaSuccess)
    return remember(error);
  return call(&Driver::CtxDisablePeerAccess, context);
}

CUDART_EXPORT cudaError_t cudaMemcpyPeer(void* to, int to_device, const void* from, int from_device,
                                         size_t bytes) {
  CUcontext to_context = nullptr, from_context = nullptr;
  const cudaError_t error = peer_contexts(to_device, from_device, &to_context, &from_context);
  if (error != cudaSuccess || bytes == 0) return remember(error);
  return call(&Driver::MemcpyPeer, to, to_context, from, from_context, bytes);
}
CUDART_EXPORT cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from,
                                              int from_device, size_t bytes, cudaStream_t stream) {
  CUcontext to_context = nullptr, from_context = nullptr;
  const cudaError_t error = peer_contexts(to_device, from_device, &to_context, &from_context);
  if (error != cudaSuccess || bytes == 0) return remember(error);
  return call(&Driver::MemcpyPeerAsync, to, to_context, from, from_context, bytes, stream);
}

CUDART_EXPORT cudaError_t cudaProfilerStart() {
  return call(&Driver::ProfilerStart);
}
CUDART_EXPORT cudaError_t cudaProfilerStop() {
  return call(&Driver::ProfilerStop);
}
