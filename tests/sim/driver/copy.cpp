// SPDX-License-Identifier: Apache-2.0
// Copies: see copy.h.
#include "tests/sim/driver/copy.h"

#include <fmt/format.h>

#include <cstring>

#include "tests/sim/driver/context.h"
#include "tests/sim/driver/extents.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/space.h"
#include "tests/sim/ptx/device_access.h"
#include "tests/sim/ptx/fault.h"

namespace sim {
namespace {

// Sources of ordinary memory up to this size are read before the call returns; larger ones make the
// call wait for the copy.
constexpr size_t kStagedBytes = 64 << 10;

struct Move {
  char* to;
  const char* from;
  size_t to_pitch, to_slice, from_pitch, from_slice;
  size_t width, height, depth;
};

// Run under run_guarded: owns nothing.
void move_bytes(void* argument) {
  const Move& m = *static_cast<const Move*>(argument);
  for (size_t z = 0; z < m.depth; z++) {
    for (size_t y = 0; y < m.height; y++) {
      std::memmove(m.to + z * m.to_slice + y * m.to_pitch,
                   m.from + z * m.from_slice + y * m.from_pitch, m.width);
    }
  }
}

// Where the bytes of a side are for a copy of this device; null: out of its reach by now.
char* host_pointer(const CopySide& side, int device, size_t bytes, bool write) {
  if (side.space == CopySide::Space::Pageable) return reinterpret_cast<char*>(side.address);
  const int view = reach(side.device < 0 ? device : side.device, side.address, bytes, write);
  return view < 0 ? nullptr : static_cast<char*>(window(view).host(side.address));
}

Done run_copy(int device, const CopyNode& node) {
  const size_t to_bytes = span_bytes(node.to, node.width, node.height, node.depth);
  const size_t from_bytes = span_bytes(node.from, node.width, node.height, node.depth);
  const char* const from = node.staged ? reinterpret_cast<const char*>(node.staged->data())
                                       : host_pointer(node.from, device, from_bytes, false);
  uint64_t fault = from ? node.to.address : node.from.address;
  bool ended = false;
  if (char* const to = from ? host_pointer(node.to, device, to_bytes, true) : nullptr) {
    Move move{to,
              from,
              node.to.pitch,
              node.to.pitch * node.to.height,
              node.from.pitch,
              node.from.pitch * node.from.height,
              node.width,
              node.height,
              node.depth};
    const DeviceAccess access;
    ended = run_guarded(move_bytes, &move, &fault);
  }
  Done done;
  if (!ended) {
    done.status = CUDA_ERROR_ILLEGAL_ADDRESS;
    done.message = fmt::format(
        "copy of {} bytes from {:#x} to {:#x}: address {:#x} was not mapped, or not accessible, "
        "when "
        "the copy ran",
        node.width * node.height * node.depth, node.from.address, node.to.address, fault);
  }
  return done;
}

}  // namespace

int current_device_or_first() {
  const Context* const context = current_context();
  return context ? context->device : 0;
}

CUresult classify(CopySide* side, size_t bytes, bool write, Role role) {
  if (!side->address) return CUDA_ERROR_INVALID_VALUE;
  Extent extent;
  const bool in_window = side->address - window().base < window().size;
  if (!find_extent(side->address, &extent)) {
    if (in_window || role == Role::Device) return CUDA_ERROR_INVALID_VALUE;
    side->space = CopySide::Space::Pageable;
    side->on_host = true;
    return CUDA_SUCCESS;
  }
  const int device = side->device < 0 ? current_device_or_first() : side->device;
  const bool whole = reach(device, side->address, bytes, write) >= 0;
  if (extent.kind == Extent::Kind::Host || extent.kind == Extent::Kind::Registered) {
    // A host range that is only partly page-locked is copied like ordinary memory.
    if (!whole && role == Role::Device) return CUDA_ERROR_INVALID_VALUE;
    side->space = whole ? CopySide::Space::Pinned : CopySide::Space::Pageable;
    side->on_host = true;
    return CUDA_SUCCESS;
  }
  if (!whole) return CUDA_ERROR_INVALID_VALUE;
  side->space = CopySide::Space::Device;
  side->on_host = extent.type == CU_MEMORYTYPE_HOST;
  const bool host_may_use = side->on_host || extent.kind == Extent::Kind::Managed;
  return role == Role::Host && !host_may_use ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

size_t span_bytes(const CopySide& side, size_t width, size_t height, size_t depth) {
  return (depth - 1) * side.pitch * side.height + (height - 1) * side.pitch + width;
}

CUresult check_copy(CopyNode* node, Role to, Role from) {
  const size_t to_bytes = span_bytes(node->to, node->width, node->height, node->depth);
  const size_t from_bytes = span_bytes(node->from, node->width, node->height, node->depth);
  if (const CUresult status = classify(&node->to, to_bytes, true, to)) return status;
  if (const CUresult status = classify(&node->from, from_bytes, false, from)) return status;
  if (node->to.on_host) {
    node->engine = node->from.on_host ? Engine::None : Engine::CopyDtoH;
  } else {
    node->engine = node->from.on_host ? Engine::CopyHtoD : Engine::CopyDtoD;
  }
  return CUDA_SUCCESS;
}

Work copy_work(const Context* context, const CopyNode& node) {
  Work work;
  if (empty(node)) return work;
  switch (node.engine) {
    case Engine::None:
      work.name = "copy host to host";
      break;
    case Engine::Compute:
      break;
    case Engine::CopyHtoD:
      work.name = "copy host to device";
      break;
    case Engine::CopyDtoH:
      work.name = "copy device to host";
      break;
    case Engine::CopyDtoD:
      work.name = "copy device to device";
      break;
  }
  work.engine = node.engine;
  work.bytes = node.width * node.height * node.depth;
  work.run = [node, device = context->device] { return run_copy(device, node); };
  return work;
}

CUresult stage(CopyNode* node) {
  auto bytes = std::make_shared<std::vector<std::byte>>(
      span_bytes(node->from, node->width, node->height, node->depth));
  std::memcpy(bytes->data(), reinterpret_cast<const void*>(node->from.address), bytes->size());
  node->staged = std::move(bytes);
  return CUDA_SUCCESS;
}

// Calls that name such memory, or are made in such a context, leave nothing under way.
bool fully_synchronous(const Context& context, const CopyNode& node) {
  if (context.flags & CU_CTX_SYNC_MEMOPS) return true;
  const auto asked = [](const CopySide& side) {
    const auto found = find(side.address);
    return found && found->sync_memops;
  };
  return asked(node.to) || asked(node.from);
}

CUresult submit_copy(Stream* stream, CopyNode node, CallForm form) {
  if (empty(node)) return CUDA_SUCCESS;
  host_cost_ns(profile().copy_call_ns);
  const bool pageable_source = node.from.space == CopySide::Space::Pageable;
  const bool pageable_target = node.to.space == CopySide::Space::Pageable;
  const bool device_only = !node.from.on_host && !node.to.on_host;
  const bool small = span_bytes(node.from, node.width, node.height, node.depth) <= kStagedBytes;
  bool wait = pageable_target || (pageable_source && !(small && !node.to.on_host));
  if (form == CallForm::Synchronous) {
    wait = wait || fully_synchronous(*stream->context, node);
    if (pageable_source && !device_only) {
      if (const CUresult status = synchronize(stream)) return status;
    }
    wait = wait || !(device_only || (pageable_source && small && !node.to.on_host));
  } else if (capturing(stream)) {
    return submit(stream, std::move(node));
  }
  if (pageable_source && !wait) {
    if (const CUresult status = stage(&node)) return status;
  }
  if (const CUresult status = enqueue(stream, copy_work(stream->context, node))) return status;
  return wait ? synchronize(stream) : CUDA_SUCCESS;
}

}  // namespace sim
