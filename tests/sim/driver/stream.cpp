// SPDX-License-Identifier: Apache-2.0
// Streams: finding them, what orders their work, appending to them, waiting for them.
#include "tests/sim/driver/stream.h"

#include <algorithm>

#include "tests/sim/driver/capture.h"
#include "tests/sim/driver/context.h"
#include "tests/sim/driver/module.h"
#include "tests/sim/driver/pool.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/streams.h"

namespace sim {

Handles<Stream, CUstream>& streams() {
  static auto* const table = new Handles<Stream, CUstream>;
  return *table;
}

Handles<Event, CUevent>& events() {
  static auto* const table = new Handles<Event, CUevent>;
  return *table;
}

uint64_t thread_number() {
  static std::atomic<uint64_t> last{0};
  thread_local const uint64_t mine = ++last;
  return mine;
}

uint64_t next_stream_id() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

Execution& execution(Context* context) {
  auto* found = static_cast<Execution*>(context->execution.load());
  if (found) return *found;
  auto* made = new Execution;
  made->legacy = std::make_shared<Stream>();
  made->legacy->kind = Stream::Kind::Legacy;
  made->legacy->context = context;
  context->execution = made;
  return *made;
}

std::vector<Point> order(const Stream& stream) {
  Execution& own = execution(stream.context);
  std::vector<Point> points;
  const auto add = [&](const Point& point) {
    if (point.stamp) points.push_back(point);
  };
  add(stream.tail);
  if (stream.kind == Stream::Kind::Legacy) {
    for (const auto& [thread, other] : own.per_thread) add(other->tail);
    for (const StreamPtr& other : own.created) {
      if (other->blocking()) add(other->tail);
    }
    for (const Point& orphan : own.orphans) add(orphan);
  } else if (stream.blocking()) {
    add(own.legacy->tail);
  }
  return points;
}

std::vector<Point> all_tails(Context* context) {
  Execution& own = execution(context);
  std::vector<Point> points = own.orphans;
  points.insert(points.end(), own.detached.begin(), own.detached.end());
  points.push_back(own.legacy->tail);
  for (const auto& [thread, stream] : own.per_thread) points.push_back(stream->tail);
  for (const StreamPtr& stream : own.created) points.push_back(stream->tail);
  std::erase_if(points, [](const Point& point) { return !point.stamp; });
  return points;
}

void make_room(Scheduler::Lock& lock, Stream& stream) {
  if (stream.backlog < kMostPending) return;
  Scheduler::get().block(lock, [&] { return stream.backlog < kMostPending; });
}

CUresult append(Scheduler::Lock& lock, Stream& stream, Work work, std::span<const Point> more) {
  // Copied first: while the lock is released, `more` may be changed by its owner.
  std::vector<Point> after(more.begin(), more.end());
  make_room(lock, stream);
  const std::vector<Point> own = order(stream);
  after.insert(after.end(), own.begin(), own.end());
  stream.tail = Scheduler::get().submit(stream.context, stream.context->device,
                                        stream.shared_from_this(), std::move(work), after);
  // A marker may have ended inside submit, before the tail named it.
  if (Scheduler::done(stream.tail)) stream.tail.operation = nullptr;
  if (stream.kind == Stream::Kind::Legacy) execution(stream.context).orphans.clear();
  return CUDA_SUCCESS;
}

CUresult enqueue(Stream* stream, Work work) {
  if (const CUresult status = usable(stream->context); status != CUDA_SUCCESS) return status;
  auto lock = Scheduler::get().lock();
  if (const CUresult status = capture_gate(*stream); status != CUDA_SUCCESS) return status;
  if (const CUresult status = refuse_capturing(*stream); status != CUDA_SUCCESS) return status;
  return append(lock, *stream, std::move(work));
}

CUresult find_stream(CUstream handle, bool per_thread, Stream** out) {
  const bool own = handle == CU_STREAM_PER_THREAD || (!handle && per_thread);
  auto lock = Scheduler::get().lock();
  if (!own && handle && handle != CU_STREAM_LEGACY) {
    const StreamPtr found = streams().find(handle);
    if (!found) return CUDA_ERROR_INVALID_HANDLE;
    *out = found.get();
    return CUDA_SUCCESS;
  }
  Context* const context = current_context();
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  Execution& execution = sim::execution(context);
  if (!own) {
    *out = execution.legacy.get();
    return CUDA_SUCCESS;
  }
  StreamPtr& mine = execution.per_thread[thread_number()];
  if (!mine) {
    mine = std::make_shared<Stream>();
    mine->kind = Stream::Kind::PerThread;
    mine->context = context;
  }
  *out = mine.get();
  return CUDA_SUCCESS;
}

bool capturing(Stream* stream) {
  const auto lock = Scheduler::get().lock();
  return stream->capture != nullptr;
}

CUresult synchronize(Stream* stream) {
  {
    auto lock = Scheduler::get().lock();
    if (const CUresult status = capture_gate(*stream); status != CUDA_SUCCESS) return status;
    if (const CUresult status = refuse_capturing(*stream); status != CUDA_SUCCESS) return status;
    const StreamPtr keep = stream->shared_from_this();
    const std::vector<Point> points =
        stream->kind == Stream::Kind::Legacy ? order(*stream) : std::vector{stream->tail};
    Scheduler::get().wait(lock, points);
  }
  pools_synchronised(stream->context->device);
  return stream->context->sticky;
}

CUresult synchronize_context(Context* context) {
  {
    auto lock = Scheduler::get().lock();
    if (const CUresult status = refuse_capturing(context); status != CUDA_SUCCESS) return status;
    Scheduler::get().wait(lock, all_tails(context));
    std::erase_if(execution(context).detached, Scheduler::done);
  }
  pools_synchronised(context->device);
  return context->sticky;
}

CUresult synchronize_all(int device) {
  std::vector<Context*> contexts;
  for_each_context(
      device,
      [](Context* context, void* list) {
        static_cast<std::vector<Context*>*>(list)->push_back(context);
      },
      &contexts);
  CUresult result = CUDA_SUCCESS;
  auto lock = Scheduler::get().lock();
  std::vector<Point> points;
  for (Context* context : contexts) {
    const std::vector<Point> own = all_tails(context);
    points.insert(points.end(), own.begin(), own.end());
  }
  Scheduler::get().wait(lock, points);
  for (const Context* context : contexts) {
    if (context->sticky != CUDA_SUCCESS) result = context->sticky;
  }
  return result;
}

void context_opened(Context* context) {
  const auto lock = Scheduler::get().lock();
  execution(context);
}

void context_closing(Context* context) {
  auto lock = Scheduler::get().lock();
  Scheduler::get().wait(lock, all_tails(context));
  Execution* const own = &execution(context);
  const auto of_context = [context](const auto& object) { return object.context == context; };
  for (const StreamPtr& stream : own->created) {
    capture_abandon(*stream);
    streams().erase(Handles<Stream, CUstream>::handle(stream.get()));
  }
  for (const EventPtr& event : events().select(of_context)) {
    events().erase(Handles<Event, CUevent>::handle(event.get()));
  }
  context->execution = nullptr;
  lock.unlock();
  delete own;
  forget_modules(context);
}

}  // namespace sim
