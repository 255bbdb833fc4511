// SPDX-License-Identifier: Apache-2.0
// Lives that end and contexts that change: the Manager hears of it before its handles are reused.
#include <atomic>

#include "interpose/body.h"
#include "interpose/primary_contexts.h"

namespace {

using spillway::Manager;

template <class Submit>
CUresult switching(Manager* manager, Submit&& submit) {
  const CUresult result = submit();
  manager->context_switched();
  return result;
}

template <class Submit>
CUresult destroying(Manager* manager, CUcontext context, Submit&& submit) {
  if (context != nullptr) manager->context_destroying(context);
  return switching(manager, submit);
}

template <class Submit>
CUresult resetting(Manager* manager, CUdevice device, Submit&& submit) {
  manager->primary_context_resetting(device);
  return switching(manager, submit);
}

template <class Submit>
CUresult destroying(Manager* manager, CUstream stream, Submit&& submit) {
  if (stream != nullptr) manager->stream_destroying(stream);
  return submit();
}

// Retains that this process holds, by device. Counted from the first call on, long before there is
// a Manager: runtimes retain the primary context to make their first allocation.
constexpr int kDevices = 128;
constinit std::atomic<int> retains[kDevices]{};

std::atomic<int>* retains_of(CUdevice device) {
  return device >= 0 && device < kDevices ? &retains[device] : nullptr;
}

template <class Driver>
CUresult retain(Driver driver, CUcontext* context, CUdevice device) {
  if (driver == nullptr) return CUDA_ERROR_NOT_SUPPORTED;
  const CUresult result = driver(context, device);
  std::atomic<int>* count = retains_of(device);
  if (result == CUDA_SUCCESS && count != nullptr) count->fetch_add(1);
  return result;
}

template <class Driver>
CUresult release(Driver driver, CUdevice device) {
  if (driver == nullptr) return CUDA_ERROR_NOT_SUPPORTED;
  const spillway::Call call;
  if (call.nested()) return driver(device);
  std::atomic<int>* count = retains_of(device);
  Manager* manager = spillway::running_manager();
  if (manager != nullptr && count != nullptr && count->load() == 1) {
    manager->primary_context_resetting(device);
  }
  const CUresult result = driver(device);
  if (result == CUDA_SUCCESS && count != nullptr) {
    int held = count->load();
    while (held > 0 && !count->compare_exchange_weak(held, held - 1)) {
    }
  }
  if (manager != nullptr) manager->context_switched();
  return result;
}

}  // namespace

void spillway::forget_primary_contexts() noexcept {
  for (auto& count : retains) count.store(0, std::memory_order_relaxed);
}

#define REAL(symbol) spillway::real<decltype(&::symbol)>(spillway::Row::symbol)

SPILLWAY_EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return retain(REAL(cuDevicePrimaryCtxRetain), context, device);
}
SPILLWAY_EXPORT CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
  return release(REAL(cuDevicePrimaryCtxRelease), device);
}
SPILLWAY_EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  return release(REAL(cuDevicePrimaryCtxRelease_v2), device);
}

BODY(cuDevicePrimaryCtxReset, (CUdevice device), (device), resetting(manager, device, submit))
BODY(cuDevicePrimaryCtxReset_v2, (CUdevice device), (device), resetting(manager, device, submit))

BODY(cuCtxCreate, (CUcontext * out, unsigned flags, CUdevice device), (out, flags, device),
     switching(manager, submit))
BODY(cuCtxCreate_v2, (CUcontext * out, unsigned flags, CUdevice device), (out, flags, device),
     switching(manager, submit))
BODY(cuCtxCreate_v3,
     (CUcontext * out, CUexecAffinityParam* params, int count, unsigned flags, CUdevice device),
     (out, params, count, flags, device), switching(manager, submit))
#if CUDA_VERSION >= 12050
BODY(cuCtxCreate_v4, (CUcontext * out, CUctxCreateParams* params, unsigned flags, CUdevice device),
     (out, params, flags, device), switching(manager, submit))
#endif

BODY(cuCtxDestroy, (CUcontext context), (context), destroying(manager, context, submit))
BODY(cuCtxDestroy_v2, (CUcontext context), (context), destroying(manager, context, submit))
// Ends the context only with its last usage count, which the driver does not tell: what was pending
// in a context that did end is found to be gone when it is next asked about.
BODY(cuCtxDetach, (CUcontext context), (context), switching(manager, submit))

BODY(cuCtxSetCurrent, (CUcontext context), (context), switching(manager, submit))
BODY(cuCtxPushCurrent, (CUcontext context), (context), switching(manager, submit))
BODY(cuCtxPushCurrent_v2, (CUcontext context), (context), switching(manager, submit))
BODY(cuCtxPopCurrent, (CUcontext * out), (out), switching(manager, submit))
BODY(cuCtxPopCurrent_v2, (CUcontext * out), (out), switching(manager, submit))

BODY(cuStreamDestroy, (CUstream stream), (stream), destroying(manager, stream, submit))
BODY(cuStreamDestroy_v2, (CUstream stream), (stream), destroying(manager, stream, submit))
