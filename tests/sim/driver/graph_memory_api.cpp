// SPDX-License-Identifier: Apache-2.0
// Driver entry points of memory nodes, and what stream capture makes of the stream-ordered calls.
#include "tests/sim/driver/capture.h"
#include "tests/sim/driver/device.h"
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/graph_memory.h"
#include "tests/sim/driver/graph_params.h"

namespace sim {

CUresult read_alloc(CUDA_MEM_ALLOC_NODE_PARAMS* params, AllocNode* out) {
  const CUmemPoolProps& props = params->poolProps;
  if (props.allocType != CU_MEM_ALLOCATION_TYPE_PINNED || props.handleTypes || !params->bytesize ||
      (params->accessDescCount && !params->accessDescs)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (props.location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_NOT_SUPPORTED;
  if (!valid_device(props.location.id)) return CUDA_ERROR_INVALID_VALUE;
  Rights rights;
  rights.set(props.location.id, Access::ReadWrite);
  for (size_t i = 0; i < params->accessDescCount; i++) {
    const CUmemAccessDesc& one = params->accessDescs[i];
    if (one.location.type != CU_MEM_LOCATION_TYPE_DEVICE || !valid_device(one.location.id) ||
        one.flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    rights.set(one.location.id, Access::ReadWrite);
  }
  const auto lock = Scheduler::get().lock();
  out->memory = GraphMemory::make(props.location.id, params->bytesize, rights);
  if (!out->memory) return CUDA_ERROR_OUT_OF_MEMORY;
  params->dptr = out->memory->address();
  return CUDA_SUCCESS;
}

// Once in its own graph, or in others.
CUresult make_free(CUdeviceptr address, const Graph& graph, FreeNode* out) {
  out->memory = find_graph_memory(address);
  if (!out->memory) return CUDA_ERROR_INVALID_VALUE;
  const Graph* const owner = out->memory->owner;
  const Graph*& freed_in = out->memory->freed_in;
  if (freed_in && (owner == &graph || freed_in == owner || freed_in == &graph)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  freed_in = &graph;
  return CUDA_SUCCESS;
}

CUresult capture_alloc(Stream* stream, int device, size_t bytes, CUdeviceptr* out) {
  Rights rights;
  rights.set(device, Access::ReadWrite);
  const auto lock = Scheduler::get().lock();
  if (const CUresult status = capture_gate(*stream)) return status;
  AllocNode node{GraphMemory::make(device, bytes, rights)};
  if (!node.memory) return CUDA_ERROR_OUT_OF_MEMORY;
  node.memory->owner = stream->capture->graph.get();
  *out = node.memory->address();
  return capture_node(*stream, std::move(node));
}

CUresult capture_free(Stream* stream, CUdeviceptr address) {
  const auto lock = Scheduler::get().lock();
  if (const CUresult status = capture_gate(*stream)) return status;
  FreeNode node;
  if (const CUresult status = make_free(address, *stream->capture->graph, &node)) return status;
  return capture_node(*stream, std::move(node));
}

SIM_API cuGraphMemAllocNodeGetParams(CUgraphNode handle, CUDA_MEM_ALLOC_NODE_PARAMS* out) {
  SIM_ENTER(cuGraphMemAllocNodeGetParams);
  const auto lock = Scheduler::get().lock();
  const auto node = graph_nodes().find(handle);
  const auto* alloc = node ? std::get_if<AllocNode>(&node->what) : nullptr;
  if (!alloc || !out) return CUDA_ERROR_INVALID_VALUE;
  *out = {};
  out->poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  out->poolProps.location = {CU_MEM_LOCATION_TYPE_DEVICE, alloc->memory->device()};
  out->bytesize = alloc->memory->bytes();
  out->dptr = alloc->memory->address();
  return CUDA_SUCCESS;
}

SIM_API cuGraphMemFreeNodeGetParams(CUgraphNode handle, CUdeviceptr* out) {
  SIM_ENTER(cuGraphMemFreeNodeGetParams);
  const auto lock = Scheduler::get().lock();
  const auto node = graph_nodes().find(handle);
  const auto* free = node ? std::get_if<FreeNode>(&node->what) : nullptr;
  if (!free || !out) return CUDA_ERROR_INVALID_VALUE;
  *out = free->memory->address();
  return CUDA_SUCCESS;
}

}  // namespace sim
