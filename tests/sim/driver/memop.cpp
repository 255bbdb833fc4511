// SPDX-License-Identifier: Apache-2.0
// Stream memory operations: a value written, or waited for, in stream order. A wait holds up only
// its own stream: it is polled, not run.
#include <fmt/format.h>

#include <atomic>

#include "tests/sim/driver/copy.h"
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/memop.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/space.h"
#include "tests/sim/ptx/device_access.h"
#include "tests/sim/ptx/fault.h"

namespace sim {
namespace {

using MemOp = CUstreamBatchMemOpParams;

bool is_wait(const MemOp& op) {
  return op.operation == CU_STREAM_MEM_OP_WAIT_VALUE_32 ||
         op.operation == CU_STREAM_MEM_OP_WAIT_VALUE_64;
}

bool is_write(const MemOp& op) {
  return op.operation == CU_STREAM_MEM_OP_WRITE_VALUE_32 ||
         op.operation == CU_STREAM_MEM_OP_WRITE_VALUE_64;
}

bool is_wide(const MemOp& op) {
  return op.operation == CU_STREAM_MEM_OP_WAIT_VALUE_64 ||
         op.operation == CU_STREAM_MEM_OP_WRITE_VALUE_64;
}

size_t width(const MemOp& op) {
  return is_wide(op) ? 8 : 4;
}

CUdeviceptr address(const MemOp& op) {
  return is_wait(op) ? op.waitValue.address : op.writeValue.address;
}

struct Access {
  void* at;
  uint64_t value;
  bool wide;
  bool write;
};

// Run under run_guarded: owns nothing.
void touch(void* argument) {
  Access& a = *static_cast<Access*>(argument);
  if (a.wide) {
    const std::atomic_ref<uint64_t> word(*static_cast<uint64_t*>(a.at));
    if (a.write)
      word.store(a.value, std::memory_order_release);
    else
      a.value = word.load(std::memory_order_acquire);
  } else {
    const std::atomic_ref<uint32_t> word(*static_cast<uint32_t*>(a.at));
    if (a.write)
      word.store(static_cast<uint32_t>(a.value), std::memory_order_release);
    else
      a.value = word.load(std::memory_order_acquire);
  }
}

bool satisfied(const MemOp& op, uint64_t now) {
  const bool wide = is_wide(op);
  const uint64_t wanted = wide ? op.waitValue.value64 : op.waitValue.value;
  constexpr unsigned kCompare = 3;
  switch (op.waitValue.flags & kCompare) {
    case CU_STREAM_WAIT_VALUE_GEQ:  // cyclic, as documented
      return wide ? static_cast<int64_t>(now - wanted) >= 0
                  : static_cast<int32_t>(static_cast<uint32_t>(now - wanted)) >= 0;
    case CU_STREAM_WAIT_VALUE_EQ:
      return now == wanted;
    case CU_STREAM_WAIT_VALUE_AND:
      return (now & wanted) != 0;
    default:
      return wide ? ~(now | wanted) != 0 : static_cast<uint32_t>(~(now | wanted)) != 0;
  }
}

// Null: out of the device's reach.
void* host_pointer(int device, const MemOp& op) {
  const int view = reach(device, address(op), width(op), is_write(op));
  return view < 0 ? nullptr : window(view).host(address(op));
}

// True as well when the word cannot be read: running the operation then reports it.
bool wait_over(int device, const MemOp& op) {
  Access access{host_pointer(device, op), 0, is_wide(op), false};
  uint64_t fault = 0;
  const DeviceAccess overlooked;
  if (!access.at || !run_guarded(touch, &access, &fault)) return true;
  return satisfied(op, access.value);
}

Done run_operation(int device, const MemOp& op) {
  Done done;
  Access access{host_pointer(device, op), is_wide(op) ? op.writeValue.value64 : op.writeValue.value,
                is_wide(op), is_write(op)};
  uint64_t fault = address(op);
  const DeviceAccess overlooked;
  if (!access.at || !run_guarded(touch, &access, &fault)) {
    done.status = CUDA_ERROR_ILLEGAL_ADDRESS;
    done.message = fmt::format(
        "stream memory operation: address {:#x} was not mapped, or not "
        "accessible, when it ran",
        fault);
  }
  return done;
}

CUresult submit_value(CUstream handle, bool per_thread, const MemOp& op) {
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  if (const CUresult status = check_mem_op(op)) return status;
  host_cost_ns(profile().light_call_ns);
  return submit(stream, MemOpNode{{op}});
}

MemOp value_operation(CUstreamBatchMemOpType type, CUdeviceptr address, uint64_t value,
                      unsigned flags) {
  MemOp op{};
  op.operation = type;
  if (is_wait(op)) {
    op.waitValue.address = address;
    op.waitValue.value64 = value;
    op.waitValue.flags = flags;
  } else {
    op.writeValue.address = address;
    op.writeValue.value64 = value;
    op.writeValue.flags = flags;
  }
  return op;
}

CUresult submit_batch(CUstream handle, bool per_thread, unsigned count, const MemOp* operations,
                      unsigned flags) {
  constexpr unsigned kMost = 256;
  if (!count || count > kMost || !operations || flags) return CUDA_ERROR_INVALID_VALUE;
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(handle, per_thread, &stream)) return status;
  for (unsigned i = 0; i < count; i++) {
    if (const CUresult status = check_mem_op(operations[i])) return status;
  }
  host_cost_ns(profile().light_call_ns);
  if (capturing(stream)) return submit(stream, MemOpNode{{operations, operations + count}});
  for (unsigned i = 0; i < count; i++) {
    if (const CUresult status = submit(stream, MemOpNode{{operations[i]}})) return status;
  }
  return CUDA_SUCCESS;
}

}  // namespace

CUresult check_mem_op(const MemOp& op) {
  if (op.operation == CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES) return CUDA_SUCCESS;
  if (op.operation == CU_STREAM_MEM_OP_BARRIER) {
    return op.memoryBarrier.flags > CU_STREAM_MEMORY_BARRIER_TYPE_GPU ? CUDA_ERROR_INVALID_VALUE
                                                                      : CUDA_SUCCESS;
  }
  if (!is_wait(op) && !is_write(op)) return CUDA_ERROR_INVALID_VALUE;
  constexpr unsigned kWaitFlags = 3 | CU_STREAM_WAIT_VALUE_FLUSH;
  const unsigned flags = is_wait(op)
                             ? op.waitValue.flags & ~kWaitFlags
                             : op.writeValue.flags & ~CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER;
  if (flags || address(op) % width(op)) return CUDA_ERROR_INVALID_VALUE;
  CopySide side;
  side.address = address(op);
  return classify(&side, width(op), is_write(op), Role::Device);
}

Work mem_op_work(const Context* context, const MemOpNode& node) {
  Work work;
  work.name = "memory operation";
  // A batch in a graph node runs in order: each wait gates what follows it in the batch.
  auto next = std::make_shared<std::pair<size_t, Done>>();
  const auto advance = [node, next, device = context->device] {
    auto& [at, result] = *next;
    while (at < node.operations.size() && result.status == CUDA_SUCCESS) {
      const MemOp& op = node.operations[at];
      if (is_wait(op) && !wait_over(device, op)) return false;
      if (is_wait(op) || is_write(op)) result = run_operation(device, op);
      at++;
    }
    return true;
  };
  for (const MemOp& op : node.operations) {
    if (is_wait(op)) work.ready = advance;
  }
  work.run = [advance, next] {
    advance();
    return next->second;
  };
  return work;
}

// One row for each operation and width: two ABIs, each with its per-thread twin.
#define VALUE_FORMS(symbol, suffix, type, value_type)                                      \
  SIM_TWIN(symbol##suffix, _ptsz,                                                          \
           (CUstream stream, CUdeviceptr address, value_type value, unsigned flags),       \
           (stream, address, value, flags)) {                                              \
    return submit_value(stream, per_thread, value_operation(type, address, value, flags)); \
  }
VALUE_FORMS(cuStreamWriteValue32, , CU_STREAM_MEM_OP_WRITE_VALUE_32, cuuint32_t)
VALUE_FORMS(cuStreamWriteValue32, _v2, CU_STREAM_MEM_OP_WRITE_VALUE_32, cuuint32_t)
VALUE_FORMS(cuStreamWriteValue64, , CU_STREAM_MEM_OP_WRITE_VALUE_64, cuuint64_t)
VALUE_FORMS(cuStreamWriteValue64, _v2, CU_STREAM_MEM_OP_WRITE_VALUE_64, cuuint64_t)
VALUE_FORMS(cuStreamWaitValue32, , CU_STREAM_MEM_OP_WAIT_VALUE_32, cuuint32_t)
VALUE_FORMS(cuStreamWaitValue32, _v2, CU_STREAM_MEM_OP_WAIT_VALUE_32, cuuint32_t)
VALUE_FORMS(cuStreamWaitValue64, , CU_STREAM_MEM_OP_WAIT_VALUE_64, cuuint64_t)
VALUE_FORMS(cuStreamWaitValue64, _v2, CU_STREAM_MEM_OP_WAIT_VALUE_64, cuuint64_t)
#undef VALUE_FORMS

SIM_TWIN(cuStreamBatchMemOp, _ptsz,
         (CUstream stream, unsigned count, CUstreamBatchMemOpParams* operations, unsigned flags),
         (stream, count, operations, flags)) {
  return submit_batch(stream, per_thread, count, operations, flags);
}

SIM_TWIN(cuStreamBatchMemOp_v2, _ptsz,
         (CUstream stream, unsigned count, CUstreamBatchMemOpParams* operations, unsigned flags),
         (stream, count, operations, flags)) {
  return submit_batch(stream, per_thread, count, operations, flags);
}

}  // namespace sim
