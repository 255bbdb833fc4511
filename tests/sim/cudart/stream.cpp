// SPDX-License-Identifier: Apache-2.0
// What is asked of a stream: order, state, attributes, capture, graph launches. Compiled for both
// kinds of default stream; what takes no default stream is in stream_life.cpp.
#include "tests/sim/cudart/call.h"

using namespace sim::cudart;

CUDART_EXPORT cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return call(&Driver::StreamSynchronize, stream);
}
CUDART_EXPORT cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return call(&Driver::StreamQuery, stream);
}
CUDART_EXPORT cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
  return call(&Driver::StreamGetPriority, stream, priority);
}
CUDART_EXPORT cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned* flags) {
  return call(&Driver::StreamGetFlags, stream, flags);
}
CUDART_EXPORT cudaError_t cudaStreamGetId(cudaStream_t stream, unsigned long long* id) {
  return call(&Driver::StreamGetId, stream, id);
}
CUDART_EXPORT cudaError_t cudaStreamGetDevice(cudaStream_t stream, int* device) {
  return call(&Driver::StreamGetDevice, stream, device);
}
CUDART_EXPORT cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event,
                                              unsigned flags) {
  return call(&Driver::StreamWaitEvent, stream, event, flags);
}
CUDART_EXPORT cudaError_t cudaStreamAttachMemAsync(cudaStream_t stream, void* address,
                                                   size_t length, unsigned flags) {
  return call(&Driver::StreamAttachMemAsync, stream, address, length, flags);
}
CUDART_EXPORT cudaError_t cudaStreamCopyAttributes(cudaStream_t to, cudaStream_t from) {
  return call(&Driver::StreamCopyAttributes, to, from);
}
CUDART_EXPORT cudaError_t cudaStreamGetAttribute(cudaStream_t stream, cudaStreamAttrID attribute,
                                                 cudaStreamAttrValue* value) {
  return call(&Driver::StreamGetAttribute, stream, attribute, value);
}
CUDART_EXPORT cudaError_t cudaStreamSetAttribute(cudaStream_t stream, cudaStreamAttrID attribute,
                                                 const cudaStreamAttrValue* value) {
  return call(&Driver::StreamSetAttribute, stream, attribute, value);
}

namespace {
struct Callback {
  cudaStreamCallback_t function;
  void* data;
  static void run(CUstream stream, CUresult status, void* self) {
    const Callback callback = *static_cast<Callback*>(self);
    delete static_cast<Callback*>(self);
    callback.function(stream, translate(status), callback.data);
  }
};
}  // namespace

CUDART_EXPORT cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t function,
                                                void* data, unsigned flags) {
  if (function == nullptr) return remember(cudaErrorInvalidValue);
  auto* callback = new Callback{function, data};
  const cudaError_t error =
      call(&Driver::StreamAddCallback, stream, &Callback::run, callback, flags);
  if (error != cudaSuccess) delete callback;
  return error;
}

CUDART_EXPORT cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return call(&Driver::EventRecord, event, stream);
}
CUDART_EXPORT cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream,
                                                   unsigned flags) {
  return call(&Driver::EventRecordWithFlags, event, stream, flags);
}

CUDART_EXPORT cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return call(&Driver::StreamBeginCapture, stream, mode);
}
CUDART_EXPORT cudaError_t cudaStreamBeginCaptureToGraph(cudaStream_t stream, cudaGraph_t graph,
                                                        const cudaGraphNode_t* dependencies,
                                                        const cudaGraphEdgeData* edges,
                                                        size_t count, cudaStreamCaptureMode mode) {
  return call(&Driver::StreamBeginCaptureToGraph, stream, graph, dependencies, edges, count, mode);
}
CUDART_EXPORT cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return call(&Driver::StreamEndCapture, stream, graph);
}
CUDART_EXPORT cudaError_t cudaStreamIsCapturing(cudaStream_t stream,
                                                cudaStreamCaptureStatus* status) {
  return call(&Driver::StreamIsCapturing, stream, status);
}
CUDART_EXPORT cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream,
                                                   cudaStreamCaptureStatus* status,
                                                   unsigned long long* id, cudaGraph_t* graph,
                                                   const cudaGraphNode_t** dependencies,
                                                   const cudaGraphEdgeData** edges, size_t* count) {
  return call(&Driver::StreamGetCaptureInfo, stream, status, id, graph, dependencies, edges, count);
}
CUDART_EXPORT cudaError_t cudaStreamUpdateCaptureDependencies(cudaStream_t stream,
                                                              cudaGraphNode_t* dependencies,
                                                              const cudaGraphEdgeData* edges,
                                                              size_t count, unsigned flags) {
  return call(&Driver::StreamUpdateCaptureDependencies, stream, dependencies, edges, count, flags);
}

CUDART_EXPORT cudaError_t cudaGraphInstantiateWithParams(cudaGraphExec_t* exec, cudaGraph_t graph,
                                                         cudaGraphInstantiateParams* params) {
  static_assert(sizeof(cudaGraphInstantiateParams) == sizeof(CUDA_GRAPH_INSTANTIATE_PARAMS));
  return call(&Driver::GraphInstantiateWithParams, exec, graph, params);
}
CUDART_EXPORT cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream) {
  return call(&Driver::GraphUpload, exec, stream);
}
CUDART_EXPORT cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return call(&Driver::GraphLaunch, exec, stream);
}
