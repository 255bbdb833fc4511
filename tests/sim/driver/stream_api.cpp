// SPDX-License-Identifier: Apache-2.0
// Driver entry points of streams.
#include <algorithm>

#include "tests/sim/driver/capture.h"
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/streams.h"

namespace sim {
namespace {

// What hardware of the last generations offers; numerically lower is more urgent.
constexpr int kLeastPriority = 0, kGreatestPriority = -5;

CUresult create_stream(Context* context, CUstream* out, unsigned flags, int priority) {
  if (!out || (flags & ~CU_STREAM_NON_BLOCKING)) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult status = forbid_in_capture(); status != CUDA_SUCCESS) return status;
  auto stream = std::make_shared<Stream>();
  stream->context = context;
  stream->flags = flags;
  stream->priority = std::clamp(priority, kGreatestPriority, kLeastPriority);
  const auto lock = Scheduler::get().lock();
  execution(context).created.push_back(stream);
  *out = streams().insert(std::move(stream));
  return CUDA_SUCCESS;
}

bool is_stream_attribute(CUstreamAttrID attribute) {
  return attribute == CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW ||
         attribute == CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY ||
         attribute == CU_LAUNCH_ATTRIBUTE_PRIORITY ||
         attribute == CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP ||
         attribute == CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN;
}

}  // namespace

SIM_API cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  SIM_ENTER_CONTEXT(cuCtxGetStreamPriorityRange, context);
  if (least) *least = kLeastPriority;
  if (greatest) *greatest = kGreatestPriority;
  return CUDA_SUCCESS;
}

SIM_API cuStreamCreate(CUstream* out, unsigned flags) {
  SIM_ENTER_CONTEXT(cuStreamCreate, context);
  return create_stream(context, out, flags, kLeastPriority);
}

SIM_API cuStreamCreateWithPriority(CUstream* out, unsigned flags, int priority) {
  SIM_ENTER_CONTEXT(cuStreamCreateWithPriority, context);
  return create_stream(context, out, flags, priority);
}

static CUresult destroy_stream(CUstream handle) {
  const auto lock = Scheduler::get().lock();
  const StreamPtr stream = streams().find(handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  capture_abandon(*stream);
  streams().erase(handle);
  Execution& own = execution(stream->context);
  std::erase(own.created, stream);
  // Its work finishes; the legacy stream, for a blocking one, and cuCtxSynchronize still wait for
  // it.
  constexpr size_t kMostDetached = 1024;
  if (own.detached.size() >= kMostDetached) std::erase_if(own.detached, Scheduler::done);
  if (stream->tail.stamp) (stream->blocking() ? own.orphans : own.detached).push_back(stream->tail);
  return CUDA_SUCCESS;
}

SIM_API cuStreamDestroy(CUstream stream) {
  SIM_ENTER(cuStreamDestroy);
  return destroy_stream(stream);
}

SIM_API cuStreamDestroy_v2(CUstream stream) {
  SIM_ENTER(cuStreamDestroy_v2);
  return destroy_stream(stream);
}

SIM_TWIN(cuStreamSynchronize, _ptsz, (CUstream handle), (handle)) {
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  return synchronize(stream);
}

SIM_TWIN(cuStreamQuery, _ptsz, (CUstream handle), (handle)) {
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  {
    const auto lock = Scheduler::get().lock();
    if (const CUresult status = capture_gate(*stream)) return status;
    if (const CUresult status = refuse_capturing(*stream)) return status;
    std::vector<Point> points;
    if (stream->kind == Stream::Kind::Legacy) {
      points = order(*stream);
    } else {
      points.push_back(stream->tail);
    }
    if (!std::all_of(points.begin(), points.end(), Scheduler::done)) {
      Scheduler::get().relieve();
      return CUDA_ERROR_NOT_READY;
    }
    std::vector<StampPtr> stamps;
    for (const Point& point : points) stamps.push_back(point.stamp);
    Clock::get().host_waited(stamps, 0);
  }
  return stream->context->sticky;
}

SIM_TWIN(cuStreamGetPriority, _ptsz, (CUstream handle, int* out), (handle, out)) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  *out = stream->priority;
  return CUDA_SUCCESS;
}

SIM_TWIN(cuStreamGetFlags, _ptsz, (CUstream handle, unsigned* out), (handle, out)) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  *out = stream->flags;
  return CUDA_SUCCESS;
}

SIM_TWIN(cuStreamGetId, _ptsz, (CUstream handle, unsigned long long* out), (handle, out)) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  *out = stream->id;
  return CUDA_SUCCESS;
}

SIM_TWIN(cuStreamGetDevice, _ptsz, (CUstream handle, CUdevice* out), (handle, out)) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  *out = stream->context->device;
  return CUDA_SUCCESS;
}

SIM_TWIN(cuStreamGetCtx, _ptsz, (CUstream stream_handle, CUcontext* out), (stream_handle, out)) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(stream_handle, per_thread, &stream)) return status;
  *out = handle(stream->context);
  return CUDA_SUCCESS;
}

SIM_TWIN(cuStreamGetCtx_v2, _ptsz, (CUstream stream_handle, CUcontext* out, CUgreenCtx* green),
         (stream_handle, out, green)) {
  if (!out || !green) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(stream_handle, per_thread, &stream)) return status;
  *out = handle(stream->context);
  *green = nullptr;
  return CUDA_SUCCESS;
}

SIM_API cuStreamGetGreenCtx(CUstream handle, CUgreenCtx* out) {
  SIM_ENTER_CONTEXT(cuStreamGetGreenCtx, context);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, false, &stream)) return status;
  *out = nullptr;
  return CUDA_SUCCESS;
}

SIM_TWIN(cuStreamCopyAttributes, _ptsz, (CUstream to, CUstream from), (to, from)) {
  Stream* target = nullptr;
  Stream* source = nullptr;
  if (const CUresult status = find_stream(to, per_thread, &target)) return status;
  if (const CUresult status = find_stream(from, per_thread, &source)) return status;
  if (target->context != source->context) return CUDA_ERROR_INVALID_VALUE;
  const auto lock = Scheduler::get().lock();
  target->attributes = source->attributes;
  return CUDA_SUCCESS;
}

SIM_TWIN(cuStreamGetAttribute, _ptsz,
         (CUstream handle, CUstreamAttrID attribute, CUstreamAttrValue* value),
         (handle, attribute, value)) {
  if (!value || !is_stream_attribute(attribute)) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  const auto lock = Scheduler::get().lock();
  const auto found = stream->attributes.find(attribute);
  *value = found == stream->attributes.end() ? CUstreamAttrValue{} : found->second;
  if (found != stream->attributes.end()) return CUDA_SUCCESS;
  if (attribute == CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY)
    value->syncPolicy = CU_SYNC_POLICY_AUTO;
  if (attribute == CU_LAUNCH_ATTRIBUTE_PRIORITY) value->priority = stream->priority;
  if (attribute == CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP) value->memSyncDomainMap.remote = 1;
  return CUDA_SUCCESS;
}

SIM_TWIN(cuStreamSetAttribute, _ptsz,
         (CUstream handle, CUstreamAttrID attribute, const CUstreamAttrValue* value),
         (handle, attribute, value)) {
  if (!value || !is_stream_attribute(attribute)) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  const auto lock = Scheduler::get().lock();
  stream->attributes[attribute] = *value;
  if (attribute == CU_LAUNCH_ATTRIBUTE_PRIORITY) stream->priority = value->priority;
  return CUDA_SUCCESS;
}

}  // namespace sim
