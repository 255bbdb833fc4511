// SPDX-License-Identifier: Apache-2.0
// Driver entry points of batched copies: copies that are ordered against the stream, and not among
// each other.
#include "tests/sim/driver/capture.h"
#include "tests/sim/driver/copy.h"
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/profile.h"

namespace sim {
namespace {

constexpr size_t kNoIndex = SIZE_MAX;  // the failure concerns no single copy

bool is_order(CUmemcpySrcAccessOrder order) {
  return order == CU_MEMCPY_SRC_ACCESS_ORDER_STREAM ||
         order == CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL ||
         order == CU_MEMCPY_SRC_ACCESS_ORDER_ANY;
}

bool is_flags(unsigned flags) {
  return !(flags & ~CU_MEMCPY_FLAG_PREFER_OVERLAP_WITH_COMPUTE);
}

// A source that may be read during the call is: the strictest reading of what is allowed.
CUresult read_source(CopyNode* node, CUmemcpySrcAccessOrder order) {
  if (node->from.space != CopySide::Space::Pageable) return CUDA_SUCCESS;
  return order == CU_MEMCPY_SRC_ACCESS_ORDER_STREAM ? CUDA_SUCCESS : stage(node);
}

CUresult find_batch_stream(CUstream handle, bool per_thread, Stream** out) {
  if (const CUresult status = find_stream(handle, per_thread, out)) return status;
  return (*out)->kind == Stream::Kind::Legacy ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

// All of them behind the stream's tail at once; the stream goes on when all are done.
CUresult submit_batch(Stream* stream, const std::vector<CopyNode>& nodes) {
  host_cost_ns(profile().copy_call_ns);
  auto lock = Scheduler::get().lock();
  if (const CUresult status = capture_gate(*stream)) return status;
  if (const CUresult status = refuse_capturing(*stream)) return status;
  make_room(lock, *stream);  // now: nothing may come between the copies and what follows them
  const std::vector<Point> before = order(*stream);
  std::vector<Point> ends;
  for (const CopyNode& node : nodes) {
    if (empty(node)) continue;
    ends.push_back(Scheduler::get().submit(stream->context, stream->context->device, nullptr,
                                           copy_work(stream->context, node), before));
  }
  return append(lock, *stream, Work{}, ends);
}

CUresult copy_batch(CUdeviceptr* to, CUdeviceptr* from, size_t* sizes, size_t count,
                    CUmemcpyAttributes* attributes, size_t* first_copies, size_t attribute_count,
                    size_t* failed, CUstream handle, bool per_thread) {
  if (failed) *failed = kNoIndex;
  Stream* stream = nullptr;
  if (const CUresult status = find_batch_stream(handle, per_thread, &stream)) return status;
  if (!count || !to || !from || !sizes || !attributes || !first_copies || !attribute_count ||
      attribute_count > count || first_copies[0] != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (size_t i = 0; i < attribute_count; i++) {
    const bool ascending = !i || (first_copies[i] > first_copies[i - 1] && first_copies[i] < count);
    if (!ascending || !is_order(attributes[i].srcAccessOrder) || !is_flags(attributes[i].flags)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
  }
  std::vector<CopyNode> nodes;
  size_t group = 0;
  for (size_t i = 0; i < count; i++) {
    if (group + 1 < attribute_count && first_copies[group + 1] == i) group++;
    CopyNode node;
    node.to.address = to[i], node.from.address = from[i];
    node.to.pitch = node.from.pitch = node.width = sizes[i];
    node.to.height = node.from.height = 1;
    CUresult status = sizes[i] ? check_copy(&node, Role::Any, Role::Any) : CUDA_ERROR_INVALID_VALUE;
    if (status == CUDA_SUCCESS) status = read_source(&node, attributes[group].srcAccessOrder);
    if (status != CUDA_SUCCESS) {
      if (failed) *failed = i;
      return status;
    }
    nodes.push_back(std::move(node));
  }
  return submit_batch(stream, nodes);
}

CUresult read_operand(const CUmemcpy3DOperand& operand, const CopyNode& node, CopySide* side) {
  if (operand.type == CU_MEMCPY_OPERAND_TYPE_ARRAY) return CUDA_ERROR_NOT_SUPPORTED;
  if (operand.type != CU_MEMCPY_OPERAND_TYPE_POINTER) return CUDA_ERROR_INVALID_VALUE;
  side->address = operand.op.ptr.ptr;
  // 0: tightly packed.
  side->pitch = operand.op.ptr.rowLength ? operand.op.ptr.rowLength : node.width;
  side->height = operand.op.ptr.layerHeight ? operand.op.ptr.layerHeight : node.height;
  return side->pitch < node.width || side->height < node.height ? CUDA_ERROR_INVALID_VALUE
                                                                : CUDA_SUCCESS;
}

CUresult read_operation(const CUDA_MEMCPY3D_BATCH_OP& op, CopyNode* node) {
  if (!is_order(op.srcAccessOrder) || !is_flags(op.flags)) return CUDA_ERROR_INVALID_VALUE;
  node->width = op.extent.width, node->height = op.extent.height, node->depth = op.extent.depth;
  if (empty(*node)) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult status = read_operand(op.src, *node, &node->from)) return status;
  if (const CUresult status = read_operand(op.dst, *node, &node->to)) return status;
  if (const CUresult status = check_copy(node, Role::Any, Role::Any)) return status;
  return read_source(node, op.srcAccessOrder);
}

CUresult copy_3d_batch(size_t count, CUDA_MEMCPY3D_BATCH_OP* operations, size_t* failed,
                       unsigned long long flags, CUstream handle, bool per_thread) {
  if (failed) *failed = kNoIndex;
  Stream* stream = nullptr;
  if (const CUresult status = find_batch_stream(handle, per_thread, &stream)) return status;
  if (!count || !operations || flags) return CUDA_ERROR_INVALID_VALUE;
  std::vector<CopyNode> nodes(count);
  for (size_t i = 0; i < count; i++) {
    if (const CUresult status = read_operation(operations[i], &nodes[i])) {
      if (failed) *failed = i;
      return status;
    }
  }
  return submit_batch(stream, nodes);
}

}  // namespace

SIM_TWIN(cuMemcpyBatchAsync, _ptsz,
         (CUdeviceptr * to, CUdeviceptr* from, size_t* sizes, size_t count,
          CUmemcpyAttributes* attributes, size_t* first_copies, size_t attribute_count,
          size_t* failed, CUstream stream),
         (to, from, sizes, count, attributes, first_copies, attribute_count, failed, stream)) {
  return copy_batch(to, from, sizes, count, attributes, first_copies, attribute_count, failed,
                    stream, per_thread);
}

SIM_TWIN(cuMemcpyBatchAsync_v2, _ptsz,
         (CUdeviceptr * to, CUdeviceptr* from, size_t* sizes, size_t count,
          CUmemcpyAttributes* attributes, size_t* first_copies, size_t attribute_count,
          CUstream stream),
         (to, from, sizes, count, attributes, first_copies, attribute_count, stream)) {
  return copy_batch(to, from, sizes, count, attributes, first_copies, attribute_count, nullptr,
                    stream, per_thread);
}

SIM_TWIN(cuMemcpy3DBatchAsync, _ptsz,
         (size_t count, CUDA_MEMCPY3D_BATCH_OP* operations, size_t* failed,
          unsigned long long flags, CUstream stream),
         (count, operations, failed, flags, stream)) {
  return copy_3d_batch(count, operations, failed, flags, stream, per_thread);
}

SIM_TWIN(cuMemcpy3DBatchAsync_v2, _ptsz,
         (size_t count, CUDA_MEMCPY3D_BATCH_OP* operations, unsigned long long flags,
          CUstream stream),
         (count, operations, flags, stream)) {
  return copy_3d_batch(count, operations, nullptr, flags, stream, per_thread);
}

}  // namespace sim
