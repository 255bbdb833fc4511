// SPDX-License-Identifier: Apache-2.0
// Driver entry points of events. An event is the point of the last record; what came before a
// re-record waits for the older point, as on hardware.
#include <algorithm>

#include "tests/sim/driver/capture.h"
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/host_thread.h"
#include "tests/sim/driver/ipc_event.h"
#include "tests/sim/driver/node.h"
#include "tests/sim/driver/pool.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/settings.h"
#include "tests/sim/driver/streams.h"

namespace sim {
namespace {

EventPtr find_event(CUevent handle) {
  const auto lock = Scheduler::get().lock();
  return events().find(handle);
}

CUresult record(CUevent event_handle, CUstream stream_handle, bool per_thread, unsigned flags) {
  if (flags & ~CU_EVENT_RECORD_EXTERNAL) return CUDA_ERROR_INVALID_VALUE;
  const EventPtr event = find_event(event_handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(stream_handle, per_thread, &stream)) return status;
  if (stream->context != event->context) return CUDA_ERROR_INVALID_HANDLE;
  host_cost_ns(profile().light_call_ns);
  auto lock = Scheduler::get().lock();
  if (const CUresult status = capture_gate(*stream)) return status;
  if (stream->capture) {
    if (event->shared) return refuse_capturing(*stream);
    if (flags & CU_EVENT_RECORD_EXTERNAL) return capture_node(*stream, RecordNode{event});
    return capture_record(*event, *stream);
  }
  return record_event(lock, *event, *stream);
}

// Done once the last record so far is, in whichever process.
Work wait_work(const Event& event) {
  Work work;
  work.name = "wait for another process";
  work.run = [] { return Done{}; };
  work.ready = [shared = event.shared, number = event.shared->last()] {
    return shared->done(number);
  };
  return work;
}

CUresult wait(CUstream stream_handle, CUevent event_handle, bool per_thread, unsigned flags) {
  if (flags & ~CU_EVENT_WAIT_EXTERNAL) return CUDA_ERROR_INVALID_VALUE;
  const EventPtr event = find_event(event_handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(stream_handle, per_thread, &stream)) return status;
  host_cost_ns(profile().light_call_ns);
  auto lock = Scheduler::get().lock();
  if (const CUresult status = capture_gate(*stream)) return status;
  if (event->shared && stream->capture) return refuse_capturing(*stream);
  if (flags & CU_EVENT_WAIT_EXTERNAL) {
    if (stream->capture) return capture_node(*stream, WaitNode{event});
  } else if (stream->capture || event->capture) {
    return capture_wait(*stream, *event);
  }
  if (event->shared) return append(lock, *stream, wait_work(*event));
  if (!event->recorded) return CUDA_SUCCESS;
  return append(lock, *stream, Work{}, event->points);
}

CUresult elapsed(float* out, CUevent from, CUevent to) {
  const EventPtr start = find_event(from);
  const EventPtr end = find_event(to);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!start || !end) return CUDA_ERROR_INVALID_HANDLE;
  auto lock = Scheduler::get().lock();
  for (const Event* event : {start.get(), end.get()}) {
    if (event->flags & CU_EVENT_DISABLE_TIMING) return CUDA_ERROR_INVALID_HANDLE;
    if (!event->recorded || event->capture) return CUDA_ERROR_INVALID_HANDLE;
  }
  if (start->context->device != end->context->device) return CUDA_ERROR_INVALID_HANDLE;
  std::vector<StampPtr> stamps;
  for (const Event* event : {start.get(), end.get()}) {
    for (const Point& point : event->points) {
      if (!Scheduler::done(point)) {
        Scheduler::get().relieve();
        return CUDA_ERROR_NOT_READY;
      }
      stamps.push_back(point.stamp);
    }
  }
  const auto latest = [](const std::vector<Point>& points) {
    double at = 0;
    for (const Point& point : points) at = std::max(at, point.stamp->end);
    return at;
  };
  const std::vector<Point> begin_points = start->points, end_points = end->points;
  Scheduler::get().wait_resolved(lock, stamps);
  constexpr double kNsPerMs = 1e6;
  *out = static_cast<float>((latest(end_points) - latest(begin_points)) / kNsPerMs);
  return CUDA_SUCCESS;
}

bool asks_by_virtual_time() {
  static const bool virtually = settings().query == "virtual";
  return virtually;
}

// Whether the event's time lies before the calling thread's, once both are known.
bool over_by_now(Scheduler::Lock& lock, const Event& event) {
  std::vector<StampPtr> stamps;
  for (const Point& point : event.points) stamps.push_back(point.stamp);
  if (const StampPtr& last = this_host_thread().last) stamps.push_back(last);
  Scheduler::get().wait_resolved(lock, stamps);
  const double now = virtual_now(this_host_thread());
  return std::ranges::all_of(
      stamps, [&](const StampPtr& stamp) { return stamp->resolved && stamp->end <= now; });
}

CUresult destroy_event(CUevent handle) {
  const auto lock = Scheduler::get().lock();
  return events().erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

}  // namespace

CUresult record_event(Scheduler::Lock& lock, Event& event, Stream& stream) {
  Work work;
  if (event.shared) {
    work.after_error = true;  // the other process must not wait for ever
    work.run = [shared = event.shared, number = event.shared->begin_record()] {
      shared->end_record(number);
      return Done{};
    };
  }
  if (const CUresult status = append(lock, stream, std::move(work))) return status;
  event.recorded = true;
  event.capture = nullptr;
  event.capture_after.clear();
  event.points = {stream.tail};
  return CUDA_SUCCESS;
}

SIM_API cuEventCreate(CUevent* out, unsigned flags) {
  SIM_ENTER_CONTEXT(cuEventCreate, context);
  constexpr unsigned kKnown =
      CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
  if (!out || (flags & ~kKnown)) return CUDA_ERROR_INVALID_VALUE;
  if ((flags & CU_EVENT_INTERPROCESS) && !(flags & CU_EVENT_DISABLE_TIMING)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  auto event = std::make_shared<Event>();
  event->context = context;
  event->flags = flags;
  if (flags & CU_EVENT_INTERPROCESS) {
    event->shared = SharedEvent::make();
    if (!event->shared) return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const auto lock = Scheduler::get().lock();
  *out = events().insert(std::move(event));
  return CUDA_SUCCESS;
}

SIM_API cuEventDestroy(CUevent event) {
  SIM_ENTER(cuEventDestroy);
  return destroy_event(event);
}

SIM_API cuEventDestroy_v2(CUevent event) {
  SIM_ENTER(cuEventDestroy_v2);
  return destroy_event(event);
}

SIM_TWIN(cuEventRecord, _ptsz, (CUevent event, CUstream stream), (event, stream)) {
  return record(event, stream, per_thread, CU_EVENT_RECORD_DEFAULT);
}

SIM_TWIN(cuEventRecordWithFlags, _ptsz, (CUevent event, CUstream stream, unsigned flags),
         (event, stream, flags)) {
  return record(event, stream, per_thread, flags);
}

SIM_TWIN(cuStreamWaitEvent, _ptsz, (CUstream stream, CUevent event, unsigned flags),
         (stream, event, flags)) {
  return wait(stream, event, per_thread, flags);
}

SIM_API cuEventQuery(CUevent handle) {
  SIM_ENTER(cuEventQuery);
  const EventPtr event = find_event(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  if (const CUresult status = usable(event->context)) return status;
  auto lock = Scheduler::get().lock();
  if (const CUresult status = refuse_captured(*event)) return status;
  if (event->shared && !event->shared->done(event->shared->last())) {
    Scheduler::get().relieve();
    return CUDA_ERROR_NOT_READY;
  }
  if (asks_by_virtual_time() && !over_by_now(lock, *event)) return CUDA_ERROR_NOT_READY;
  if (!std::all_of(event->points.begin(), event->points.end(), Scheduler::done)) {
    Scheduler::get().relieve();
    return CUDA_ERROR_NOT_READY;
  }
  if (event->recorded) {
    std::vector<StampPtr> stamps;
    for (const Point& point : event->points) stamps.push_back(point.stamp);
    Clock::get().host_waited(stamps, 0);
  }
  return event->context->sticky;
}

SIM_API cuEventSynchronize(CUevent handle) {
  SIM_ENTER(cuEventSynchronize);
  const EventPtr event = find_event(handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  if (const CUresult status = usable(event->context)) return status;
  {
    auto lock = Scheduler::get().lock();
    if (const CUresult status = refuse_captured(*event)) return status;
    if (event->shared) {
      const Point end = Scheduler::get().submit(event->context, event->context->device, nullptr,
                                                wait_work(*event), {});
      Scheduler::get().wait(lock, end);
    } else if (event->recorded) {
      const std::vector<Point> points = event->points;  // a re-record meanwhile changes nothing
      Scheduler::get().wait(lock, points);
    }
  }
  pools_synchronised(event->context->device);
  return event->context->sticky;
}

SIM_API cuEventElapsedTime(float* out, CUevent start, CUevent end) {
  SIM_ENTER_CONTEXT(cuEventElapsedTime, context);
  return elapsed(out, start, end);
}

SIM_API cuEventElapsedTime_v2(float* out, CUevent start, CUevent end) {
  SIM_ENTER_CONTEXT(cuEventElapsedTime_v2, context);
  return elapsed(out, start, end);
}

SIM_API cuCtxRecordEvent(CUcontext handle, CUevent event_handle) {
  SIM_ENTER(cuCtxRecordEvent);
  Context* const context = handle ? find_context(handle) : current_context();
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  if (const CUresult status = usable(context)) return status;
  const EventPtr event = find_event(event_handle);
  if (!event || event->context != context) return CUDA_ERROR_INVALID_HANDLE;
  if (event->shared) return CUDA_ERROR_NOT_SUPPORTED;
  const auto lock = Scheduler::get().lock();
  if (const CUresult status = refuse_capturing(context)) return status;
  event->recorded = true;
  event->capture = nullptr;
  event->points = all_tails(context);
  return CUDA_SUCCESS;
}

SIM_API cuCtxWaitEvent(CUcontext handle, CUevent event_handle) {
  SIM_ENTER(cuCtxWaitEvent);
  Context* const context = handle ? find_context(handle) : current_context();
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  if (const CUresult status = usable(context)) return status;
  const EventPtr event = find_event(event_handle);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  if (event->shared) return CUDA_ERROR_NOT_SUPPORTED;
  auto lock = Scheduler::get().lock();
  if (const CUresult status = refuse_capturing(context)) return status;
  if (const CUresult status = refuse_captured(*event)) return status;
  if (!event->recorded) return CUDA_SUCCESS;
  Execution& own = execution(context);
  std::vector<StreamPtr> all = own.created;
  for (const auto& [thread, stream] : own.per_thread) all.push_back(stream);
  all.push_back(own.legacy);
  for (const StreamPtr& stream : all) append(lock, *stream, Work{}, event->points);
  return CUDA_SUCCESS;
}

}  // namespace sim
