// SPDX-License-Identifier: Apache-2.0
// Memory sets, and their driver entry points. The forms without Async are asynchronous too, unless
// the target is host memory.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "tests/sim/driver/copy.h"
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/set.h"
#include "tests/sim/driver/space.h"
#include "tests/sim/ptx/device_access.h"
#include "tests/sim/ptx/fault.h"

namespace sim {
namespace {

struct Fill {
  char* to;
  size_t pitch, width, height;
  unsigned value, element;
};

// Run under run_guarded: owns nothing.
// The value repeated in a block, and the block in each row: copies are what is fast.
void fill_bytes(void* argument) {
  const Fill& f = *static_cast<const Fill*>(argument);
  alignas(64) char block[4096];
  const size_t width = f.width * f.element;
  for (size_t x = 0; x < std::min(width, sizeof block); x += f.element)
    std::memcpy(block + x, &f.value, f.element);
  for (size_t y = 0; y < f.height; y++) {
    char* row = f.to + y * f.pitch;
    for (size_t x = 0; x < width; x += sizeof block)
      std::memcpy(row + x, block, std::min(width - x, sizeof block));
  }
}

size_t fill_span(const FillNode& node) {
  return (node.height - 1) * node.pitch + node.width * node.element;
}

Done run_fill(int device, const FillNode& node) {
  Done done;
  // Sets run at the speed at which device memory is written.
  done.duration_ns =
      static_cast<double>(node.width * node.element * node.height) / profile().device_rate +
      profile().kernel_latency_ns;
  uint64_t fault = node.address;
  const int view = reach(device, node.address, fill_span(node), true);
  Fill fill{view < 0 ? nullptr : static_cast<char*>(window(view).host(node.address)),
            node.pitch,
            node.width,
            node.height,
            node.value,
            node.element};
  const DeviceAccess access;
  if (fill.to && run_guarded(fill_bytes, &fill, &fault)) return done;
  done.status = CUDA_ERROR_ILLEGAL_ADDRESS;
  done.message = fmt::format(
      "memset of {} bytes at {:#x}: address {:#x} was not mapped, or not accessible, when it ran",
      fill_span(node), node.address, fault);
  return done;
}

CUresult fill(const Context* context, CUdeviceptr to, size_t pitch, unsigned value,
              unsigned element, size_t width, size_t height, CUstream handle, bool per_thread,
              CallForm form) {
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  if (!width || !height) return CUDA_SUCCESS;
  FillNode node{to, pitch, value, element, width, height};
  bool on_host = false;
  if (const CUresult status = check_fill(&node, &on_host)) return status;
  host_cost_ns(profile().launch_ns);
  if (form == CallForm::Asynchronous) return submit(stream, node);
  if (const CUresult status = enqueue(stream, fill_work(context, node))) return status;
  return on_host ? synchronize(stream) : CUDA_SUCCESS;
}

}  // namespace

CUresult check_fill(FillNode* node, bool* on_host) {
  if (node->element != 1 && node->element != 2 && node->element != 4)
    return CUDA_ERROR_INVALID_VALUE;
  if (node->address % node->element || node->pitch % node->element) return CUDA_ERROR_INVALID_VALUE;
  if (node->height > 1 && node->pitch < node->width * node->element)
    return CUDA_ERROR_INVALID_VALUE;
  CopySide side;
  side.address = node->address;
  const CUresult status = classify(&side, fill_span(*node), true, Role::Device);
  if (on_host) *on_host = side.on_host;
  return status;
}

Work fill_work(const Context* context, const FillNode& node) {
  Work work;
  work.name = "memset";
  work.engine = Engine::Compute;
  work.bytes = node.width * node.element * node.height;
  work.run = [node, device = context->device] { return run_fill(device, node); };
  return work;
}

// One row for each element size: the four forms of it.
#define SET_FORMS(bits, type)                                                                   \
  SIM_TWIN(cuMemsetD##bits##_v2, _ptds, (CUdeviceptr to, type value, size_t count),             \
           (to, value, count)) {                                                                \
    return fill(context, to, 0, value, bits / 8, count, 1, nullptr, per_thread,                 \
                CallForm::Synchronous);                                                         \
  }                                                                                             \
  SIM_TWIN(cuMemsetD##bits##Async, _ptsz,                                                       \
           (CUdeviceptr to, type value, size_t count, CUstream stream),                         \
           (to, value, count, stream)) {                                                        \
    return fill(context, to, 0, value, bits / 8, count, 1, stream, per_thread,                  \
                CallForm::Asynchronous);                                                        \
  }                                                                                             \
  SIM_TWIN(cuMemsetD2D##bits##_v2, _ptds,                                                       \
           (CUdeviceptr to, size_t pitch, type value, size_t width, size_t height),             \
           (to, pitch, value, width, height)) {                                                 \
    return fill(context, to, pitch, value, bits / 8, width, height, nullptr, per_thread,        \
                CallForm::Synchronous);                                                         \
  }                                                                                             \
  SIM_TWIN(                                                                                     \
      cuMemsetD2D##bits##Async, _ptsz,                                                          \
      (CUdeviceptr to, size_t pitch, type value, size_t width, size_t height, CUstream stream), \
      (to, pitch, value, width, height, stream)) {                                              \
    return fill(context, to, pitch, value, bits / 8, width, height, stream, per_thread,         \
                CallForm::Asynchronous);                                                        \
  }
SET_FORMS(8, unsigned char)
SET_FORMS(16, unsigned short)
SET_FORMS(32, unsigned int)
#undef SET_FORMS

}  // namespace sim
