// SPDX-License-Identifier: Apache-2.0
// Stream capture: which calls are recorded, which are refused, and what a refused call destroys.
// Everything here is called with the scheduler's lock held.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace sim {

struct Context;
struct Event;
struct Graph;
struct GraphNode;
struct Stream;

struct Capture {
  uint64_t id = 0;
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  uint64_t thread = 0;  // that began it
  Context* context = nullptr;
  std::shared_ptr<Graph> graph;
  bool into_existing = false;  // cuStreamBeginCaptureToGraph: the graph is the application's
  Stream* origin = nullptr;
  std::vector<std::shared_ptr<Stream>> members;  // the origin too
  bool invalidated = false;
  bool ended = false;
};

std::vector<std::shared_ptr<Capture>>& captures();  // those under way
void end_capture(Capture& capture);                 // its streams are ordinary again

// The legacy stream while a blocking stream of its context captures: asking for its status answers
// CUDA_ERROR_STREAM_CAPTURE_IMPLICIT and leaves the capture valid (cuda.h, cuStreamIsCapturing).
bool captured_implicitly(const Stream& stream);

// What a call that works in `stream` meets: SUCCESS (record or run it), STREAM_CAPTURE_INVALIDATED,
// or STREAM_CAPTURE_IMPLICIT when the legacy stream would depend on a capture.
CUresult capture_gate(Stream& stream);
// A call that no capture can hold, in a stream that is capturing: invalidates. SUCCESS when it is
// not.
CUresult refuse_capturing(Stream& stream);
// The same for all captures of a context (cuCtxSynchronize).
CUresult refuse_capturing(Context* context);
// A query of, or wait for, an event whose last record was captured.
CUresult refuse_captured(Event& event);

CUresult capture_record(Event& event, Stream& stream);
// Either may be capturing.
CUresult capture_wait(Stream& stream, Event& event);
void capture_abandon(Stream& stream);  // the stream is destroyed

}  // namespace sim
