// SPDX-License-Identifier: Apache-2.0
// Contexts that an application makes itself, the current-context stack, and what a context is
// asked.
#include <algorithm>
#include <bit>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/contexts.h"
#include "tests/sim/driver/device.h"
#include "tests/sim/driver/hidden.h"
#include "tests/sim/driver/stream.h"

namespace sim {

bool valid_context_flags(unsigned flags) {
  return (flags & ~CU_CTX_FLAGS_MASK) == 0 && std::popcount(flags & CU_CTX_SCHED_MASK) <= 1;
}

namespace {

CUresult create(CUcontext* out, unsigned flags, int device, unsigned version) {
  if (!out || !valid_context_flags(flags)) return CUDA_ERROR_INVALID_VALUE;
  if (!valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  Context* context = add_context(device, false, version);
  if (const CUresult status = hidden_open(*context)) return status;
  open_context(context, flags);
  context_stack().push_back(context);
  *out = handle(context);
  return CUDA_SUCCESS;
}

CUresult destroy(CUcontext handle) {
  Context* context = find_context(handle);
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  if (!context->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  if (context->primary) return CUDA_ERROR_INVALID_CONTEXT;  // released, never destroyed
  close_context(context);
  auto& stack = context_stack();
  if (!stack.empty() && stack.back() == context) stack.pop_back();
  return CUDA_SUCCESS;
}

CUresult push(CUcontext handle) {
  Context* context = find_context(handle);
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  if (!context->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  context_stack().push_back(context);
  return CUDA_SUCCESS;
}

CUresult pop(CUcontext* out) {
  auto& stack = context_stack();
  if (stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (out) *out = handle(stack.back());
  stack.pop_back();
  return CUDA_SUCCESS;
}

// A null handle: the current context.
CUresult named_or_current(CUcontext handle, Context** out) {
  *out = handle ? find_context(handle) : current_context();
  if (!*out) return CUDA_ERROR_INVALID_CONTEXT;
  return (*out)->alive ? CUDA_SUCCESS : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

// No device out-parameter is the caller's way to ask only whether there is a context: the missing
// context is reported first.
CUresult device_of(CUdevice* out, CUcontext handle) {
  Context* context = nullptr;
  if (const CUresult status = named_or_current(handle, &context); status != CUDA_SUCCESS) {
    return status;
  }
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = context->device;
  return CUDA_SUCCESS;
}

bool valid_limit(CUlimit limit) {
  return limit >= 0 && limit < CU_LIMIT_MAX;
}

// Limits of features that the simulated parts lack.
bool known_limit(CUlimit limit) {
  return limit != CU_LIMIT_SHMEM_SIZE && limit != CU_LIMIT_CIG_ENABLED &&
         limit != CU_LIMIT_CIG_SHMEM_FALLBACK_ENABLED;
}

}  // namespace
}  // namespace sim

SIM_API cuCtxCreate(CUcontext* out, unsigned flags, CUdevice device) {
  SIM_ENTER(cuCtxCreate);
  return sim::create(out, flags, device, 3010);
}

SIM_API cuCtxCreate_v2(CUcontext* out, unsigned flags, CUdevice device) {
  SIM_ENTER(cuCtxCreate_v2);
  return sim::create(out, flags, device, 3020);
}

SIM_API cuCtxCreate_v3(CUcontext* out, CUexecAffinityParam* affinity, int count, unsigned flags,
                       CUdevice device) {
  SIM_ENTER(cuCtxCreate_v3);
  if (count < 0 || (count > 0 && !affinity)) return CUDA_ERROR_INVALID_VALUE;
  if (count > 0) return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
  return sim::create(out, flags, device, 3020);
}

SIM_API cuCtxCreate_v4(CUcontext* out, CUctxCreateParams* params, unsigned flags, CUdevice device) {
  SIM_ENTER(cuCtxCreate_v4);
  if (params && params->numExecAffinityParams > 0) return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
  if (params && params->cigParams) return CUDA_ERROR_NOT_SUPPORTED;
  return sim::create(out, flags, device, 3020);
}

SIM_API cuCtxDestroy(CUcontext context) {
  SIM_ENTER(cuCtxDestroy);
  return sim::destroy(context);
}

SIM_API cuCtxDestroy_v2(CUcontext context) {
  SIM_ENTER(cuCtxDestroy_v2);
  return sim::destroy(context);
}

SIM_API cuCtxPushCurrent(CUcontext context) {
  SIM_ENTER(cuCtxPushCurrent);
  return sim::push(context);
}

SIM_API cuCtxPushCurrent_v2(CUcontext context) {
  SIM_ENTER(cuCtxPushCurrent_v2);
  return sim::push(context);
}

SIM_API cuCtxPopCurrent(CUcontext* out) {
  SIM_ENTER(cuCtxPopCurrent);
  return sim::pop(out);
}

SIM_API cuCtxPopCurrent_v2(CUcontext* out) {
  SIM_ENTER(cuCtxPopCurrent_v2);
  return sim::pop(out);
}

// Replaces the top of the stack; null pops it.
SIM_API cuCtxSetCurrent(CUcontext handle) {
  SIM_ENTER(cuCtxSetCurrent);
  auto& stack = sim::context_stack();
  if (!handle) {
    if (!stack.empty()) stack.pop_back();
    return CUDA_SUCCESS;
  }
  sim::Context* context = sim::find_context(handle);
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  if (!context->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  if (!stack.empty()) stack.pop_back();
  stack.push_back(context);
  return CUDA_SUCCESS;
}

SIM_API cuCtxGetCurrent(CUcontext* out) {
  SIM_ENTER(cuCtxGetCurrent);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = sim::handle(sim::current_context());
  return CUDA_SUCCESS;
}

SIM_API cuCtxGetDevice(CUdevice* out) {
  SIM_ENTER(cuCtxGetDevice);
  return sim::device_of(out, nullptr);
}

SIM_API cuCtxGetDevice_v2(CUdevice* out, CUcontext context) {
  SIM_ENTER(cuCtxGetDevice_v2);
  return sim::device_of(out, context);
}

SIM_API cuCtxGetFlags(unsigned* out) {
  SIM_ENTER_CONTEXT(cuCtxGetFlags, context);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = context->flags;
  return CUDA_SUCCESS;
}

SIM_API cuCtxSetFlags(unsigned flags) {
  SIM_ENTER_CONTEXT(cuCtxSetFlags, context);
  if (!sim::valid_context_flags(flags)) return CUDA_ERROR_INVALID_VALUE;
  context->flags = flags;
  return CUDA_SUCCESS;
}

SIM_API cuCtxGetId(CUcontext handle, unsigned long long* out) {
  SIM_ENTER(cuCtxGetId);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  sim::Context* context = nullptr;
  const CUresult status = sim::named_or_current(handle, &context);
  if (status == CUDA_SUCCESS) *out = context->id;
  return status;
}

SIM_API cuCtxGetApiVersion(CUcontext handle, unsigned* out) {
  SIM_ENTER(cuCtxGetApiVersion);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  sim::Context* context = nullptr;
  const CUresult status = sim::named_or_current(handle, &context);
  if (status == CUDA_SUCCESS) *out = context->version;
  return status;
}

SIM_API cuCtxSynchronize() {
  SIM_ENTER_CONTEXT(cuCtxSynchronize, context);
  return sim::synchronize_context(context);
}

SIM_API cuCtxSynchronize_v2(CUcontext handle) {
  SIM_ENTER(cuCtxSynchronize_v2);
  sim::Context* context = nullptr;
  if (const CUresult status = sim::named_or_current(handle, &context); status != CUDA_SUCCESS) {
    return status;
  }
  if (context->sticky != CUDA_SUCCESS) return context->sticky;
  return sim::synchronize_context(context);
}

SIM_API cuCtxSetLimit(CUlimit limit, size_t value) {
  SIM_ENTER_CONTEXT(cuCtxSetLimit, context);
  if (!sim::valid_limit(limit)) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::known_limit(limit)) return CUDA_ERROR_UNSUPPORTED_LIMIT;
  context->limits[limit] = value;
  return CUDA_SUCCESS;
}

SIM_API cuCtxGetLimit(size_t* out, CUlimit limit) {
  SIM_ENTER_CONTEXT(cuCtxGetLimit, context);
  if (!out || !sim::valid_limit(limit)) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::known_limit(limit)) return CUDA_ERROR_UNSUPPORTED_LIMIT;
  *out = context->limits[limit];
  return CUDA_SUCCESS;
}

SIM_API cuCtxGetCacheConfig(CUfunc_cache* out) {
  SIM_ENTER_CONTEXT(cuCtxGetCacheConfig, context);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = static_cast<CUfunc_cache>(context->cache_config.load());
  return CUDA_SUCCESS;
}

SIM_API cuCtxSetCacheConfig(CUfunc_cache config) {
  SIM_ENTER_CONTEXT(cuCtxSetCacheConfig, context);
  if (config < CU_FUNC_CACHE_PREFER_NONE || config > CU_FUNC_CACHE_PREFER_EQUAL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  context->cache_config = config;
  return CUDA_SUCCESS;
}

SIM_API cuCtxGetSharedMemConfig(CUsharedconfig* out) {
  SIM_ENTER_CONTEXT(cuCtxGetSharedMemConfig, context);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = static_cast<CUsharedconfig>(context->shared_config.load());
  return CUDA_SUCCESS;
}

SIM_API cuCtxSetSharedMemConfig(CUsharedconfig config) {
  SIM_ENTER_CONTEXT(cuCtxSetSharedMemConfig, context);
  if (config < CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE ||
      config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  context->shared_config = config;
  return CUDA_SUCCESS;
}

SIM_API cuCtxResetPersistingL2Cache() {
  SIM_ENTER_CONTEXT(cuCtxResetPersistingL2Cache, context);
  return CUDA_SUCCESS;
}

SIM_API cuProfilerStart() {
  SIM_ENTER_CONTEXT(cuProfilerStart, context);
  return CUDA_SUCCESS;
}

SIM_API cuProfilerStop() {
  SIM_ENTER_CONTEXT(cuProfilerStop, context);
  return CUDA_SUCCESS;
}
