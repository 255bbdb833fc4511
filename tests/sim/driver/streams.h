// SPDX-License-Identifier: Apache-2.0
// What a stream, an event and a context's share of the execution side are. All of it is guarded by
// the scheduler's lock.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "tests/sim/driver/handles.h"
#include "tests/sim/driver/schedule.h"

namespace sim {

struct Capture;     // capture.h
class SharedEvent;  // ipc_event.h
struct GraphNode;   // graph.h
struct Progress;    // programmatic.h

uint64_t thread_number();   // of the calling thread; never reused
uint64_t next_stream_id();  // unique over the process

struct Stream : std::enable_shared_from_this<Stream> {
  enum class Kind { Legacy, PerThread, Created } kind = Kind::Created;
  Context* context = nullptr;
  const uint64_t id = next_stream_id();
  unsigned flags = CU_STREAM_DEFAULT;
  int priority = 0;
  std::map<CUstreamAttrID, CUstreamAttrValue> attributes;

  Point tail;          // the last operation; keeps its stamp when that is done
  size_t backlog = 0;  // operations not done yet
  // The last kernel launched, when it is the last work: that of this tail.
  std::shared_ptr<Progress> progress;
  StampPtr progress_at;

  // While it takes part in a capture: what the next node of this stream depends on.
  std::shared_ptr<Capture> capture;
  std::vector<GraphNode*> capture_after;
  // What cuStreamGetCaptureInfo last handed out pointers to.
  std::vector<CUgraphNode> capture_handles;
  std::vector<CUgraphEdgeData> capture_edges;

  bool blocking() const { return kind == Kind::PerThread || !(flags & CU_STREAM_NON_BLOCKING); }
};
using StreamPtr = std::shared_ptr<Stream>;

struct Event {
  Context* context = nullptr;
  unsigned flags = CU_EVENT_DEFAULT;
  bool recorded = false;
  std::vector<Point> points;  // what the last record captured; one, but for cuCtxRecordEvent
  // Set instead while the last record was in a capture.
  std::shared_ptr<Capture> capture;
  std::vector<GraphNode*> capture_after;
  // Set for CU_EVENT_INTERPROCESS: then this decides, whichever process recorded it.
  std::shared_ptr<SharedEvent> shared;
};
using EventPtr = std::shared_ptr<Event>;

// A context's streams. Context::execution points to it.
struct Execution {
  StreamPtr legacy;
  std::map<uint64_t, StreamPtr> per_thread;  // by thread number
  std::vector<StreamPtr> created;
  // Last work of destroyed streams: blocking ones until the legacy stream is behind it, others
  // until the host is.
  std::vector<Point> orphans, detached;
};

constexpr size_t kMostPending =
    1024;  // operations of one stream; then the host waits, as on hardware

Handles<Stream, CUstream>& streams();
Handles<Event, CUevent>& events();
Execution& execution(Context* context);

// Everything that the next operation of the stream must follow, implicit barriers included.
std::vector<Point> order(const Stream& stream);
// Waits while the stream is full, with the lock released.
void make_room(Scheduler::Lock& lock, Stream& stream);
// Appends work behind order(stream) and `more`, when there is room.
CUresult append(Scheduler::Lock& lock, Stream& stream, Work work, std::span<const Point> more = {});
std::vector<Point> all_tails(Context* context);

}  // namespace sim
