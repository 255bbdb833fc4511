// SPDX-License-Identifier: Apache-2.0
// Streams and events: their lives, and what takes no default stream.
#include "tests/sim/cudart/call.h"

using namespace sim::cudart;

CUDART_EXPORT cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return call(&Driver::StreamCreate, stream, CU_STREAM_DEFAULT);
}
CUDART_EXPORT cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return call(&Driver::StreamCreate, stream, flags);
}
CUDART_EXPORT cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags,
                                                       int priority) {
  return call(&Driver::StreamCreateWithPriority, stream, flags, priority);
}
CUDART_EXPORT cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return call(&Driver::StreamDestroy, stream);
}
CUDART_EXPORT cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  return call(&Driver::ThreadExchangeStreamCaptureMode, mode);
}

CUDART_EXPORT cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return call(&Driver::EventCreate, event, CU_EVENT_DEFAULT);
}
CUDART_EXPORT cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call(&Driver::EventCreate, event, flags);
}
CUDART_EXPORT cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call(&Driver::EventQuery, event);
}
CUDART_EXPORT cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call(&Driver::EventSynchronize, event);
}
CUDART_EXPORT cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call(&Driver::EventDestroy, event);
}
CUDART_EXPORT cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start,
                                               cudaEvent_t end) {
  return call(&Driver::EventElapsedTime, milliseconds, start, end);
}

CUDART_EXPORT cudaError_t cudaIpcGetEventHandle(cudaIpcEventHandle_t* handle, cudaEvent_t event) {
  return call(&Driver::IpcGetEventHandle, handle, event);
}
CUDART_EXPORT cudaError_t cudaIpcOpenEventHandle(cudaEvent_t* event, cudaIpcEventHandle_t handle) {
  static_assert(sizeof(cudaIpcEventHandle_t) == sizeof(CUipcEventHandle));
  return call(&Driver::IpcOpenEventHandle, event, reinterpret_cast<CUipcEventHandle&>(handle));
}
