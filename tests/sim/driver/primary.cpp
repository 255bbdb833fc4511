// SPDX-License-Identifier: Apache-2.0
// Primary contexts: one a device, open while somebody retains it.
#include <array>
#include <deque>
#include <mutex>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/contexts.h"
#include "tests/sim/driver/device.h"
#include "tests/sim/driver/hidden.h"

namespace sim {
namespace {

struct Primary {
  std::mutex mutex;  // held over opening and closing: a second retainer waits for the first
  Context* context = nullptr;
  unsigned retained = 0;
  unsigned flags = 0;  // of the next opening
};

Primary& primary(int device) {
  static auto* all = new std::deque<Primary>(static_cast<size_t>(device_count()));
  return (*all)[static_cast<size_t>(device)];
}

CUresult release(int device) {
  if (!valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  Primary& own = primary(device);
  std::lock_guard lock(own.mutex);
  if (own.retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
  if (--own.retained == 0 && own.context->alive) close_context(own.context);
  return CUDA_SUCCESS;
}

// Everything in it goes, the references stay; the next retain opens it again.
CUresult reset(int device) {
  if (!valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  Primary& own = primary(device);
  std::lock_guard lock(own.mutex);
  if (own.context && own.context->alive) close_context(own.context);
  return CUDA_SUCCESS;
}

CUresult set_flags(int device, unsigned flags) {
  if (!valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (!valid_context_flags(flags)) return CUDA_ERROR_INVALID_VALUE;
  Primary& own = primary(device);
  std::lock_guard lock(own.mutex);
  own.flags = flags;
  if (own.context && own.context->alive) own.context->flags = flags;
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace sim

SIM_API cuDevicePrimaryCtxRetain(CUcontext* out, CUdevice device) {
  SIM_ENTER(cuDevicePrimaryCtxRetain);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  sim::Primary& own = sim::primary(device);
  std::lock_guard lock(own.mutex);
  // The handle is the same for the life of the process, as on hardware.
  constexpr unsigned kVersion = 3020;
  if (!own.context) own.context = sim::add_context(device, true, kVersion);
  if (!own.context->alive) {
    if (const CUresult status = sim::hidden_open(*own.context)) return status;
    sim::open_context(own.context, own.flags);
  }
  ++own.retained;
  *out = sim::handle(own.context);
  return CUDA_SUCCESS;
}

SIM_API cuDevicePrimaryCtxRelease(CUdevice device) {
  SIM_ENTER(cuDevicePrimaryCtxRelease);
  return sim::release(device);
}

SIM_API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  SIM_ENTER(cuDevicePrimaryCtxRelease_v2);
  return sim::release(device);
}

SIM_API cuDevicePrimaryCtxReset(CUdevice device) {
  SIM_ENTER(cuDevicePrimaryCtxReset);
  return sim::reset(device);
}

SIM_API cuDevicePrimaryCtxReset_v2(CUdevice device) {
  SIM_ENTER(cuDevicePrimaryCtxReset_v2);
  return sim::reset(device);
}

SIM_API cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned flags) {
  SIM_ENTER(cuDevicePrimaryCtxSetFlags);
  return sim::set_flags(device, flags);
}

SIM_API cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned flags) {
  SIM_ENTER(cuDevicePrimaryCtxSetFlags_v2);
  return sim::set_flags(device, flags);
}

SIM_API cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  SIM_ENTER(cuDevicePrimaryCtxGetState);
  if (!flags || !active) return CUDA_ERROR_INVALID_VALUE;
  if (!sim::valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  sim::Primary& own = sim::primary(device);
  std::lock_guard lock(own.mutex);
  *flags = own.flags;
  *active = own.context && own.context->alive;
  return CUDA_SUCCESS;
}
