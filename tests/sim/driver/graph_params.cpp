// SPDX-License-Identifier: Apache-2.0
// Parameters of graph nodes; see graph_params.h.
#include "tests/sim/driver/graph_params.h"

#include "tests/sim/driver/context.h"
#include "tests/sim/driver/copy.h"
#include "tests/sim/driver/hidden.h"
#include "tests/sim/driver/launch.h"
#include "tests/sim/driver/memop.h"
#include "tests/sim/driver/set.h"

namespace sim {
namespace {

template <class Params>
CUresult read_kernel(const Params& params, CUfunction function, Context* context, KernelNode* out) {
  out->handle = function;
  out->grid = {params.gridDimX, params.gridDimY, params.gridDimZ};
  out->block = {params.blockDimX, params.blockDimY, params.blockDimZ};
  out->shared_bytes = params.sharedMemBytes;
  if (find_kernel(function, context, &out->kernel)) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult status = check_shape(*out)) return status;
  if (const CUresult status = hidden_launch(*context, out->kernel)) return status;
  return read_parameters(out->kernel.info(), params.kernelParams, params.extra, &out->parameters);
}

template <class Params>
void write_kernel(GraphNode& node, Params* out) {
  auto& kernel = std::get<KernelNode>(node.what);
  *out = {};
  out->func = kernel.handle;
  out->gridDimX = kernel.grid.x, out->gridDimY = kernel.grid.y, out->gridDimZ = kernel.grid.z;
  out->blockDimX = kernel.block.x, out->blockDimY = kernel.block.y, out->blockDimZ = kernel.block.z;
  out->sharedMemBytes = kernel.shared_bytes;
  node.parameter_pointers.clear();
  for (const ptx::Param& param : kernel.kernel.info().params) {
    node.parameter_pointers.push_back(kernel.parameters.data() + param.offset);
  }
  out->kernelParams = node.parameter_pointers.empty() ? nullptr : node.parameter_pointers.data();
}

// With the context current, whose device the addresses are checked for.
template <class Read>
CUresult in(Context* context, Read&& read) {
  const CurrentScope scope(context);
  return read();
}

}  // namespace

CUresult node_context(CUcontext handle, Context** out) {
  *out = handle ? find_context(handle) : current_context();
  return *out ? usable(*out) : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult read_params(const CUDA_KERNEL_NODE_PARAMS_v1& params, Context* context, KernelNode* out) {
  return read_kernel(params, params.func, context, out);
}

CUresult read_params(const CUDA_KERNEL_NODE_PARAMS_v2& params, Context* context, KernelNode* out) {
  const CUfunction function = params.func ? params.func : reinterpret_cast<CUfunction>(params.kern);
  return read_kernel(params, function, context, out);
}

CUresult read_params(const CUDA_MEMCPY3D& params, CopyNode* out) {
  return read_shape(params, out);
}

CUresult read_params(const CUDA_MEMSET_NODE_PARAMS& params, FillNode* out) {
  *out = {params.dst,   params.height > 1 ? params.pitch : 0,
          params.value, params.elementSize,
          params.width, params.height};
  if (!params.width || !params.height) return CUDA_ERROR_INVALID_VALUE;
  return check_fill(out, nullptr);
}

CUresult read_params(const CUDA_HOST_NODE_PARAMS& params, HostNode* out) {
  *out = {params.fn, params.userData};
  return params.fn ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult read_params(const CUDA_BATCH_MEM_OP_NODE_PARAMS& params, MemOpNode* out) {
  if (!params.count || !params.paramArray || params.flags) return CUDA_ERROR_INVALID_VALUE;
  out->operations.assign(params.paramArray, params.paramArray + params.count);
  for (const auto& operation : out->operations) {
    if (const CUresult status = check_mem_op(operation)) return status;
  }
  return CUDA_SUCCESS;
}

CUresult read_event(CUevent handle, EventPtr* out) {
  const auto lock = Scheduler::get().lock();
  *out = events().find(handle);
  if (*out && (*out)->shared) return CUDA_ERROR_NOT_SUPPORTED;  // of several processes
  return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult read_params(const CUgraphNodeParams& params, Context** context, Node* out) {
  const auto in_context = [&](CUcontext handle) { return node_context(handle, context); };
  CUresult status = in_context(nullptr);
  switch (params.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: {
      const auto& p = params.kernel;
      const CUDA_KERNEL_NODE_PARAMS_v2 same{
          p.func,      p.gridDimX,       p.gridDimY,     p.gridDimZ, p.blockDimX, p.blockDimY,
          p.blockDimZ, p.sharedMemBytes, p.kernelParams, p.extra,    p.kern,      p.ctx};
      if (!status) status = in_context(p.ctx);
      return status ? status : read_params(same, *context, &out->emplace<KernelNode>());
    }
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      if (params.memcpy.flags || params.memcpy.reserved) return CUDA_ERROR_INVALID_VALUE;
      if ((status = in_context(params.memcpy.copyCtx))) return status;
      return in(*context,
                [&] { return read_params(params.memcpy.copyParams, &out->emplace<CopyNode>()); });
    case CU_GRAPH_NODE_TYPE_MEMSET: {
      const auto& p = params.memset;
      const CUDA_MEMSET_NODE_PARAMS same{p.dst, p.pitch, p.value, p.elementSize, p.width, p.height};
      if ((status = in_context(p.ctx))) return status;
      return in(*context, [&] { return read_params(same, &out->emplace<FillNode>()); });
    }
    case CU_GRAPH_NODE_TYPE_HOST: {
      const CUDA_HOST_NODE_PARAMS same{params.host.fn, params.host.userData};
      return status ? status : read_params(same, &out->emplace<HostNode>());
    }
    case CU_GRAPH_NODE_TYPE_EMPTY:
      *out = EmptyNode{};
      return status;
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return status ? status
                    : read_event(params.eventRecord.event, &out->emplace<RecordNode>().event);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      return status ? status : read_event(params.eventWait.event, &out->emplace<WaitNode>().event);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: {
      const auto& p = params.memOp;
      const CUDA_BATCH_MEM_OP_NODE_PARAMS same{p.ctx, p.count, p.paramArray, p.flags};
      if ((status = in_context(p.ctx))) return status;
      return in(*context, [&] { return read_params(same, &out->emplace<MemOpNode>()); });
    }
    // External semaphores are not simulated; memory and conditional nodes are only added.
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

void write_params(GraphNode& node, CUDA_KERNEL_NODE_PARAMS_v1* out) {
  write_kernel(node, out);
}

void write_params(GraphNode& node, CUDA_KERNEL_NODE_PARAMS_v2* out) {
  write_kernel(node, out);
  out->ctx = handle(node.context);
}

void write_params(const FillNode& node, CUDA_MEMSET_NODE_PARAMS* out) {
  *out = {node.address, node.pitch, node.value, node.element, node.width, node.height};
}

}  // namespace sim
