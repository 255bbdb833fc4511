// SPDX-License-Identifier: Apache-2.0
// The rules of stream capture; see capture.h. The entry points are in capture_api.cpp.
#include "tests/sim/driver/capture.h"

#include <algorithm>

#include "tests/sim/driver/capture_mode.h"
#include "tests/sim/driver/graph.h"

namespace sim {
namespace {

CUresult invalidate(Capture& capture, CUresult error) {
  capture.invalidated = true;
  return error;
}

void merge(std::vector<GraphNode*>* into, const std::vector<GraphNode*>& more) {
  for (GraphNode* node : more) {
    if (std::find(into->begin(), into->end(), node) == into->end()) into->push_back(node);
  }
}

}  // namespace

std::vector<std::shared_ptr<Capture>>& captures() {
  static auto* const all = new std::vector<std::shared_ptr<Capture>>;
  return *all;
}

CUstreamCaptureMode& thread_capture_mode() {
  thread_local CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  return mode;
}

void end_capture(Capture& capture) {
  capture.ended = true;
  for (const StreamPtr& stream : capture.members) {
    stream->capture = nullptr;
    stream->capture_after.clear();
  }
  capture.members.clear();
  capture.origin = nullptr;
  std::erase_if(captures(), [&](const auto& other) { return other.get() == &capture; });
}

bool captured_implicitly(const Stream& stream) {
  if (stream.kind != Stream::Kind::Legacy) return false;
  for (const auto& capture : captures())
    for (const StreamPtr& member : capture->members)
      if (member->context == stream.context && member->blocking()) return true;
  return false;
}

CUresult capture_gate(Stream& stream) {
  if (stream.capture && stream.capture->invalidated) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (stream.kind != Stream::Kind::Legacy) return CUDA_SUCCESS;
  CUresult result = CUDA_SUCCESS;
  for (const auto& capture : captures()) {
    for (const StreamPtr& member : capture->members) {
      if (member->context == stream.context && member->blocking()) {
        result = invalidate(*capture, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
      }
    }
  }
  return result;
}

CUresult refuse_capturing(Stream& stream) {
  if (!stream.capture) return CUDA_SUCCESS;
  return invalidate(*stream.capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

CUresult refuse_capturing(Context* context) {
  CUresult result = CUDA_SUCCESS;
  for (const auto& capture : captures()) {
    for (const StreamPtr& member : capture->members) {
      if (member->context == context) {
        result = invalidate(*capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
      }
    }
  }
  return result;
}

CUresult refuse_captured(Event& event) {
  if (!event.capture) return CUDA_SUCCESS;
  return invalidate(*event.capture, CUDA_ERROR_CAPTURED_EVENT);
}

CUresult capture_node(Stream& stream, Node node) {
  std::vector<GraphNode::Edge> before;
  for (GraphNode* earlier : stream.capture_after) before.push_back({earlier, {}});
  Graph& graph = *stream.capture->graph;
  GraphNode* const added = graph.add(stream.context, std::move(node), before);
  graph_nodes().insert(graph.nodes.back());
  stream.capture_after = {added};
  return CUDA_SUCCESS;
}

CUresult capture_record(Event& event, Stream& stream) {
  event.capture = stream.capture;
  event.capture_after = stream.capture_after;
  return CUDA_SUCCESS;
}

CUresult capture_wait(Stream& stream, Event& event) {
  if (!event.capture) {
    if (!event.recorded) return CUDA_SUCCESS;
    return invalidate(*stream.capture, CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
  }
  Capture& capture = *event.capture;
  if (capture.ended) {
    if (stream.capture) invalidate(*stream.capture, CUDA_ERROR_CAPTURED_EVENT);
    return CUDA_ERROR_CAPTURED_EVENT;
  }
  if (capture.invalidated) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (stream.kind == Stream::Kind::Legacy) {
    return invalidate(capture, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
  }
  if (!stream.capture) {
    stream.capture = event.capture;
    stream.capture_after = event.capture_after;
    capture.members.push_back(stream.shared_from_this());
    return CUDA_SUCCESS;
  }
  if (stream.capture != event.capture) {
    invalidate(*stream.capture, CUDA_ERROR_STREAM_CAPTURE_MERGE);
    return invalidate(capture, CUDA_ERROR_STREAM_CAPTURE_MERGE);
  }
  merge(&stream.capture_after, event.capture_after);
  return CUDA_SUCCESS;
}

void capture_abandon(Stream& stream) {
  if (!stream.capture) return;
  const std::shared_ptr<Capture> capture = stream.capture;
  capture->invalidated = true;
  // Without its origin nobody could end it.
  if (capture->origin == &stream) {
    const bool owned = !capture->into_existing;
    end_capture(*capture);
    if (owned) withdraw(*capture->graph);
    return;
  }
  std::erase(capture->members, stream.shared_from_this());
  stream.capture = nullptr;
}

CUresult forbid_in_capture() {
  const auto lock = Scheduler::get().lock();
  const CUstreamCaptureMode mode = thread_capture_mode();
  if (mode == CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_SUCCESS;
  CUresult result = CUDA_SUCCESS;
  for (const auto& capture : captures()) {
    const bool own = capture->thread == thread_number();
    const bool concerns = own ? capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED
                              : capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL &&
                                    mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    if (concerns) result = invalidate(*capture, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  }
  return result;
}

}  // namespace sim
