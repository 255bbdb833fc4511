// SPDX-License-Identifier: Apache-2.0
// Driver entry points of stream capture.
#include <algorithm>
#include <set>

#include "tests/sim/driver/capture.h"
#include "tests/sim/driver/capture_mode.h"
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/graph.h"

namespace sim {
namespace {

bool is_mode(CUstreamCaptureMode mode) {
  return mode == CU_STREAM_CAPTURE_MODE_GLOBAL || mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL ||
         mode == CU_STREAM_CAPTURE_MODE_RELAXED;
}

// Handles of nodes of `graph`; false when one is not.
bool find_nodes(const Graph& graph, const CUgraphNode* handles, size_t count,
                std::vector<GraphNode*>* out) {
  for (size_t i = 0; i < count; i++) {
    const auto node = graph_nodes().find(handles[i]);
    if (!node || node->graph != &graph) return false;
    out->push_back(node.get());
  }
  return true;
}

CUresult begin(CUstream handle, bool per_thread, CUstreamCaptureMode mode,
               std::shared_ptr<Graph> graph, std::vector<GraphNode*> after) {
  if (!is_mode(mode)) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  const auto lock = Scheduler::get().lock();
  if (stream->kind == Stream::Kind::Legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
  static uint64_t last_id = 0;
  auto capture = std::make_shared<Capture>();
  capture->id = ++last_id;
  capture->mode = mode;
  capture->thread = thread_number();
  capture->context = stream->context;
  capture->into_existing = graph != nullptr;
  capture->graph = graph ? std::move(graph) : std::make_shared<Graph>();
  if (!capture->into_existing) publish(capture->graph);
  capture->origin = stream;
  capture->members.push_back(stream->shared_from_this());
  stream->capture = capture;
  stream->capture_after = std::move(after);
  captures().push_back(std::move(capture));
  return CUDA_SUCCESS;
}

// Whether every branch has found back to the origin stream.
bool joined(const Capture& capture) {
  std::set<const GraphNode*> reached;
  std::vector<const GraphNode*> todo(capture.origin->capture_after.begin(),
                                     capture.origin->capture_after.end());
  while (!todo.empty()) {
    const GraphNode* const node = todo.back();
    todo.pop_back();
    if (!reached.insert(node).second) continue;
    for (const auto& edge : node->before) todo.push_back(edge.from);
  }
  return std::all_of(capture.members.begin(), capture.members.end(), [&](const StreamPtr& stream) {
    return std::all_of(stream->capture_after.begin(), stream->capture_after.end(),
                       [&](const GraphNode* node) { return reached.count(node) != 0; });
  });
}

CUresult end(CUstream handle, bool per_thread, CUgraph* out) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = nullptr;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  const auto lock = Scheduler::get().lock();
  const std::shared_ptr<Capture> capture = stream->capture;
  if (!capture) return CUDA_ERROR_ILLEGAL_STATE;
  if (capture->origin != stream) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && capture->thread != thread_number()) {
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  }
  CUresult result = CUDA_SUCCESS;
  if (capture->invalidated) {
    result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  } else if (!joined(*capture)) {
    result = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  }
  end_capture(*capture);
  if (result == CUDA_SUCCESS) {
    *out = Handles<Graph, CUgraph>::handle(capture->graph.get());
  } else if (!capture->into_existing) {
    withdraw(*capture->graph);
  }
  return result;
}

CUstreamCaptureStatus status_of(const Stream& stream) {
  if (!stream.capture) return CU_STREAM_CAPTURE_STATUS_NONE;
  return stream.capture->invalidated ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                     : CU_STREAM_CAPTURE_STATUS_ACTIVE;
}

CUresult info(CUstream handle, bool per_thread, CUstreamCaptureStatus* status, cuuint64_t* id,
              CUgraph* graph, const CUgraphNode** nodes, const CUgraphEdgeData** edges,
              size_t* count) {
  if (!status) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult found = find_stream(handle, per_thread, &stream)) return found;
  const auto lock = Scheduler::get().lock();
  if (captured_implicitly(*stream)) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  *status = status_of(*stream);
  if (*status != CU_STREAM_CAPTURE_STATUS_ACTIVE) return CUDA_SUCCESS;
  stream->capture_handles.clear();
  for (const GraphNode* node : stream->capture_after) {
    stream->capture_handles.push_back(Handles<GraphNode, CUgraphNode>::handle(node));
  }
  stream->capture_edges.assign(stream->capture_handles.size(), {});
  if (id) *id = stream->capture->id;
  if (graph) *graph = Handles<Graph, CUgraph>::handle(stream->capture->graph.get());
  if (nodes) *nodes = stream->capture_handles.data();
  if (edges) *edges = stream->capture_edges.data();
  if (count) *count = stream->capture_handles.size();
  return CUDA_SUCCESS;
}

CUresult update(CUstream handle, bool per_thread, const CUgraphNode* nodes, size_t count,
                unsigned flags) {
  if (flags > CU_STREAM_SET_CAPTURE_DEPENDENCIES || (count && !nodes)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  const auto lock = Scheduler::get().lock();
  if (const CUresult status = capture_gate(*stream)) return status;
  if (!stream->capture) return CUDA_ERROR_ILLEGAL_STATE;
  std::vector<GraphNode*> after;
  if (!find_nodes(*stream->capture->graph, nodes, count, &after)) return CUDA_ERROR_INVALID_VALUE;
  if (flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES) stream->capture_after.clear();
  for (GraphNode* node : after) {
    auto& list = stream->capture_after;
    if (std::find(list.begin(), list.end(), node) == list.end()) list.push_back(node);
  }
  return CUDA_SUCCESS;
}

}  // namespace

// Edge data of dependencies is accepted and every edge is a full one: what a programmatic edge
// allows to overlap may always run later.
SIM_TWIN(cuStreamBeginCapture, _ptsz, (CUstream stream), (stream)) {
  return begin(stream, per_thread, CU_STREAM_CAPTURE_MODE_GLOBAL, nullptr, {});
}

SIM_TWIN(cuStreamBeginCapture_v2, _ptsz, (CUstream stream, CUstreamCaptureMode mode),
         (stream, mode)) {
  return begin(stream, per_thread, mode, nullptr, {});
}

SIM_TWIN(cuStreamBeginCaptureToGraph, _ptsz,
         (CUstream stream, CUgraph handle, const CUgraphNode* nodes, const CUgraphEdgeData* edges,
          size_t count, CUstreamCaptureMode mode),
         (stream, handle, nodes, edges, count, mode)) {
  (void)edges;
  if (count && !nodes) return CUDA_ERROR_INVALID_VALUE;
  std::shared_ptr<Graph> graph;
  std::vector<GraphNode*> after;
  {
    const auto lock = Scheduler::get().lock();
    graph = graphs().find(handle);
    if (!graph || !find_nodes(*graph, nodes, count, &after)) return CUDA_ERROR_INVALID_VALUE;
  }
  return begin(stream, per_thread, mode, std::move(graph), std::move(after));
}

SIM_TWIN(cuStreamEndCapture, _ptsz, (CUstream stream, CUgraph* graph), (stream, graph)) {
  return end(stream, per_thread, graph);
}

SIM_TWIN(cuStreamIsCapturing, _ptsz, (CUstream stream, CUstreamCaptureStatus* status),
         (stream, status)) {
  return info(stream, per_thread, status, nullptr, nullptr, nullptr, nullptr, nullptr);
}

SIM_TWIN(cuStreamGetCaptureInfo, _ptsz,
         (CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id), (stream, status, id)) {
  return info(stream, per_thread, status, id, nullptr, nullptr, nullptr, nullptr);
}

SIM_TWIN(cuStreamGetCaptureInfo_v2, _ptsz,
         (CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id, CUgraph* graph,
          const CUgraphNode** nodes, size_t* count),
         (stream, status, id, graph, nodes, count)) {
  return info(stream, per_thread, status, id, graph, nodes, nullptr, count);
}

SIM_TWIN(cuStreamGetCaptureInfo_v3, _ptsz,
         (CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id, CUgraph* graph,
          const CUgraphNode** nodes, const CUgraphEdgeData** edges, size_t* count),
         (stream, status, id, graph, nodes, edges, count)) {
  return info(stream, per_thread, status, id, graph, nodes, edges, count);
}

SIM_TWIN(cuStreamUpdateCaptureDependencies, _ptsz,
         (CUstream stream, CUgraphNode* nodes, size_t count, unsigned flags),
         (stream, nodes, count, flags)) {
  return update(stream, per_thread, nodes, count, flags);
}

SIM_TWIN(cuStreamUpdateCaptureDependencies_v2, _ptsz,
         (CUstream stream, CUgraphNode* nodes, const CUgraphEdgeData* edges, size_t count,
          unsigned flags),
         (stream, nodes, edges, count, flags)) {
  (void)edges;
  return update(stream, per_thread, nodes, count, flags);
}

SIM_API cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  SIM_ENTER(cuThreadExchangeStreamCaptureMode);
  if (!mode || !is_mode(*mode)) return CUDA_ERROR_INVALID_VALUE;
  std::swap(*mode, thread_capture_mode());
  return CUDA_SUCCESS;
}

}  // namespace sim
