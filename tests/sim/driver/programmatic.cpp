// SPDX-License-Identifier: Apache-2.0
// Programmatic dependent launch; see programmatic.h.
#include "tests/sim/driver/programmatic.h"

#include "tests/sim/driver/capture.h"
#include "tests/sim/driver/context.h"

namespace sim {
namespace {

thread_local Progress* current = nullptr;

// The kernel before it must have triggered, and everything else the stream demands be done. The
// stream goes on when both are done.
void append_overlapping(Scheduler::Lock& lock, Stream& stream, Work work,
                        const std::shared_ptr<Progress>& before) {
  std::vector<Point> after = order(stream);
  const Point earlier = stream.tail;
  for (Point& point : after) {
    if (point.stamp == earlier.stamp) point.operation = nullptr;  // its time counts, not its end
  }
  work.bounded = true;
  work.ready = [before] { return before->triggered.load(std::memory_order_acquire); };
  const Point end = Scheduler::get().submit(stream.context, stream.context->device,
                                            stream.shared_from_this(), std::move(work), after);
  const Point both[] = {end, earlier};
  append(lock, stream, Work{}, both);
}

void record(const LaunchEvent& wanted, const Stream& stream,
            const std::shared_ptr<Progress>& progress) {
  Work work;
  work.bounded = true;
  work.after_error = true;
  work.run = [] { return Done{}; };
  work.ready = [progress, at_begin = wanted.at_begin] {
    return (at_begin ? progress->begun : progress->triggered).load(std::memory_order_acquire);
  };
  const Point time{nullptr, stream.tail.stamp};
  Event& event = *wanted.event;
  event.points = {Scheduler::get().submit(stream.context, stream.context->device, nullptr,
                                          std::move(work), std::span(&time, 1))};
  event.recorded = true;
  event.capture = nullptr;
}

}  // namespace

ProgressScope::ProgressScope(Progress* progress) {
  current = progress;
  if (progress) progress->begun = true;
}

ProgressScope::~ProgressScope() {
  if (current) {
    current->triggered = true;
    current->done = true;
  }
  current = nullptr;
}

void launch_dependents() {
  if (current) current->triggered.store(true, std::memory_order_release);
}

bool dependency_done() {
  return !current || !current->before || current->before->done.load(std::memory_order_acquire);
}

CUresult submit_kernel(Stream* stream, KernelNode node, const std::vector<LaunchEvent>& events) {
  if (const CUresult status = usable(stream->context)) return status;
  auto lock = Scheduler::get().lock();
  if (const CUresult status = capture_gate(*stream)) return status;
  if (stream->capture) {
    return events.empty() ? capture_node(*stream, std::move(node)) : CUDA_ERROR_NOT_SUPPORTED;
  }
  make_room(lock, *stream);  // now: nothing may come between the two kernels
  auto progress = std::make_shared<Progress>();
  const bool overlaps =
      node.programmatic && stream->progress && stream->progress_at == stream->tail.stamp;
  if (overlaps) progress->before = stream->progress;
  node.progress = progress;
  Work work = kernel_work(stream->context, node);
  if (overlaps) {
    append_overlapping(lock, *stream, std::move(work), stream->progress);
  } else if (const CUresult status = append(lock, *stream, std::move(work))) {
    return status;
  }
  stream->progress = progress;
  stream->progress_at = stream->tail.stamp;
  for (const LaunchEvent& event : events) record(event, *stream, progress);
  return CUDA_SUCCESS;
}

}  // namespace sim
