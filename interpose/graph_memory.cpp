// SPDX-License-Identifier: Apache-2.0
#include "interpose/graph_memory.h"

#include "runtime/shaped.h"

namespace spillway {
namespace {

template <class Fill>
bool list_fill(const Fill& fill, AccessList& accesses) noexcept {
  accesses.add(access_of(
      fill.dst,
      Box{.width = fill.width * fill.elementSize, .height = fill.height, .pitch = fill.pitch}));
  return true;
}

bool list_operations(const CUstreamBatchMemOpParams* list, size_t count,
                     AccessList& accesses) noexcept {
  if (list == nullptr) return true;
  if (!accesses.reserve(count)) return false;
  for (size_t i = 0; i < count; ++i) {
    switch (static_cast<int>(list[i].operation)) {  // the others have no address
      case CU_STREAM_MEM_OP_WAIT_VALUE_32:
      case CU_STREAM_MEM_OP_WRITE_VALUE_32:
        accesses.add({list[i].writeValue.address, sizeof(cuuint32_t)});
        break;
      case CU_STREAM_MEM_OP_WAIT_VALUE_64:
      case CU_STREAM_MEM_OP_WRITE_VALUE_64:
        accesses.add({list[i].writeValue.address, sizeof(cuuint64_t)});
        break;
      default:
        break;
    }
  }
  return true;
}

}  // namespace

bool list_node_memory(const CUDA_MEMCPY3D& params, AccessList& accesses) noexcept {
  const Ends ends = ends_of(params);
  accesses.add(ends.read());
  accesses.add(ends.written());
  return true;
}

bool list_node_memory(const CUDA_MEMSET_NODE_PARAMS& params, AccessList& accesses) noexcept {
  return list_fill(params, accesses);
}

bool list_node_memory(const CUDA_BATCH_MEM_OP_NODE_PARAMS& params, AccessList& accesses) noexcept {
  return list_operations(params.paramArray, params.count, accesses);
}

bool list_node_memory(const CUgraphNodeParams& params, AccessList& accesses) noexcept {
  switch (static_cast<int>(params.type)) {  // the others name no memory, or do not exist
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return list_node_memory(params.memcpy.copyParams, accesses);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return list_fill(params.memset, accesses);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return list_operations(params.memOp.paramArray, params.memOp.count, accesses);
    default:
      return true;
  }
}

Rewrite node_rewrite(const CUDA_MEMCPY3D& params) noexcept {
  return params.dstMemoryType != CU_MEMORYTYPE_HOST ? rewrite_of(ends_of(params)) : Rewrite{};
}

Rewrite node_rewrite(const CUgraphNodeParams& params) noexcept {
  return params.type == CU_GRAPH_NODE_TYPE_MEMCPY ? node_rewrite(params.memcpy.copyParams)
                                                  : Rewrite{};
}

}  // namespace spillway
