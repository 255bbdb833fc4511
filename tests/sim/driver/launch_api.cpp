// SPDX-License-Identifier: Apache-2.0
// Driver entry points of launches, by all doors that take a stream.
#include "tests/sim/driver/device_node.h"
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/hidden.h"
#include "tests/sim/driver/launch.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/programmatic.h"

namespace sim {
namespace {

// Such an event tells no time, and is of one process.
CUresult add_event(CUevent handle, int flags, bool at_begin, std::vector<LaunchEvent>* events) {
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  const auto lock = Scheduler::get().lock();
  const EventPtr event = sim::events().find(handle);
  if (!event || !(event->flags & CU_EVENT_DISABLE_TIMING) || event->shared) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  events->push_back({event, at_begin});
  return CUDA_SUCCESS;
}

// What a launch attribute does here: honoured, or harmless to ignore. Everything else is refused.
CUresult apply_attribute(const CUlaunchAttribute& attribute, KernelNode* node,
                         std::vector<LaunchEvent>* events) {
  switch (attribute.id) {
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
      node->cooperative = attribute.value.cooperative != 0;
      return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION: {
      const auto& d = attribute.value.clusterDim;
      if (!d.x && !d.y && !d.z) return CUDA_SUCCESS;
      if (!d.x || !d.y || !d.z || node->grid.x % d.x || node->grid.y % d.y || node->grid.z % d.z) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      return d.x * d.y * d.z == 1 ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
    }
    case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
      if (attribute.value.deviceUpdatableKernelNode.deviceUpdatable) {
        node->device_node = DeviceNode::make();
      }
      return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
      node->programmatic = attribute.value.programmaticStreamSerializationAllowed != 0;
      return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT: {
      const auto& wanted = attribute.value.programmaticEvent;
      return add_event(wanted.event, wanted.flags, wanted.triggerAtBlockStart != 0, events);
    }
    case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT: {
      const auto& wanted = attribute.value.launchCompletionEvent;
      return add_event(wanted.event, wanted.flags, true, events);
    }
    case CU_LAUNCH_ATTRIBUTE_IGNORE:
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
    case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
    case CU_LAUNCH_ATTRIBUTE_PRIORITY:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

CUresult launch(Context* context, bool per_thread, CUfunction function, KernelNode node,
                CUstream stream_handle, void** parameters, void** extra,
                const std::vector<LaunchEvent>& events = {}) {
  Stream* stream = nullptr;
  if (const CUresult status = find_stream(stream_handle, per_thread, &stream)) return status;
  if (stream->context != context) return CUDA_ERROR_INVALID_HANDLE;
  if (const CUresult status = find_kernel(function, context, &node.kernel)) return status;
  node.handle = function;
  if (const CUresult status = check_shape(node)) return status;
  if (const CUresult status =
          read_parameters(node.kernel.info(), parameters, extra, &node.parameters)) {
    return status;
  }
  if (node.device_node && !capturing(stream)) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult status = hidden_launch(*context, node.kernel)) return status;
  host_cost_ns(profile().launch_ns);
  return submit_kernel(stream, std::move(node), events);
}

KernelNode shape(unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                 unsigned shared) {
  KernelNode node;
  node.grid = {gx, gy, gz};
  node.block = {bx, by, bz};
  node.shared_bytes = shared;
  return node;
}

// cuLaunch and cuLaunchGrid: shape and parameters were set on the function before.
CUresult launch_legacy(Context* context, CUfunction handle, int width, int height,
                       CUstream stream) {
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  if (width <= 0 || height <= 0) return CUDA_ERROR_INVALID_VALUE;
  const Function& function = *kernel.function;
  size_t bytes = function.parameters.size();
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER,
                   const_cast<std::byte*>(function.parameters.data()), CU_LAUNCH_PARAM_BUFFER_SIZE,
                   &bytes, CU_LAUNCH_PARAM_END};
  const bool any = !kernel.info().params.empty();
  return launch(context, false, handle,
                shape(width, height, 1, function.block.x, function.block.y, function.block.z,
                      function.shared_bytes),
                stream, nullptr, any ? extra : nullptr);
}

CUresult set_parameter(Context* context, CUfunction handle, int offset, const void* value,
                       size_t bytes) {
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  if (offset < 0 || !value || offset + bytes > kMaxParameterBytes) return CUDA_ERROR_INVALID_VALUE;
  auto& parameters = kernel.function->parameters;
  if (parameters.size() < offset + bytes) parameters.resize(offset + bytes);
  std::copy_n(static_cast<const std::byte*>(value), bytes, parameters.begin() + offset);
  return CUDA_SUCCESS;
}

}  // namespace

SIM_TWIN(cuLaunchKernel, _ptsz,
         (CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
          unsigned bz, unsigned shared, CUstream stream, void** parameters, void** extra),
         (function, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra)) {
  return launch(context, per_thread, function, shape(gx, gy, gz, bx, by, bz, shared), stream,
                parameters, extra);
}

SIM_TWIN(cuLaunchCooperativeKernel, _ptsz,
         (CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
          unsigned bz, unsigned shared, CUstream stream, void** parameters),
         (function, gx, gy, gz, bx, by, bz, shared, stream, parameters)) {
  KernelNode node = shape(gx, gy, gz, bx, by, bz, shared);
  node.cooperative = true;
  return launch(context, per_thread, function, std::move(node), stream, parameters, nullptr);
}

SIM_TWIN(cuLaunchKernelEx, _ptsz,
         (const CUlaunchConfig* config, CUfunction function, void** parameters, void** extra),
         (config, function, parameters, extra)) {
  if (!config || (config->numAttrs && !config->attrs)) return CUDA_ERROR_INVALID_VALUE;
  KernelNode node = shape(config->gridDimX, config->gridDimY, config->gridDimZ, config->blockDimX,
                          config->blockDimY, config->blockDimZ, config->sharedMemBytes);
  std::vector<LaunchEvent> events;
  for (unsigned i = 0; i < config->numAttrs; i++) {
    if (const CUresult status = apply_attribute(config->attrs[i], &node, &events)) return status;
    node.attributes.push_back(config->attrs[i]);
  }
  const auto device_node = node.device_node;
  const CUresult status = launch(context, per_thread, function, std::move(node), config->hStream,
                                 parameters, extra, events);
  for (unsigned i = 0; status == CUDA_SUCCESS && device_node && i < config->numAttrs; i++) {
    if (config->attrs[i].id == CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE) {
      config->attrs[i].value.deviceUpdatableKernelNode.devNode = device_node->handle();
    }
  }
  return status;
}

SIM_API cuFuncSetBlockShape(CUfunction handle, int x, int y, int z) {
  SIM_ENTER_CONTEXT(cuFuncSetBlockShape, context);
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  if (x <= 0 || y <= 0 || z <= 0) return CUDA_ERROR_INVALID_VALUE;
  kernel.function->block = {static_cast<unsigned>(x), static_cast<unsigned>(y),
                            static_cast<unsigned>(z)};
  return CUDA_SUCCESS;
}

SIM_API cuFuncSetSharedSize(CUfunction handle, unsigned bytes) {
  SIM_ENTER_CONTEXT(cuFuncSetSharedSize, context);
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  kernel.function->shared_bytes = bytes;
  return CUDA_SUCCESS;
}

SIM_API cuParamSetSize(CUfunction handle, unsigned bytes) {
  SIM_ENTER_CONTEXT(cuParamSetSize, context);
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  if (bytes > kMaxParameterBytes) return CUDA_ERROR_INVALID_VALUE;
  kernel.function->parameters.resize(bytes);
  return CUDA_SUCCESS;
}

SIM_API cuParamSeti(CUfunction handle, int offset, unsigned value) {
  SIM_ENTER_CONTEXT(cuParamSeti, context);
  return set_parameter(context, handle, offset, &value, sizeof value);
}

SIM_API cuParamSetf(CUfunction handle, int offset, float value) {
  SIM_ENTER_CONTEXT(cuParamSetf, context);
  return set_parameter(context, handle, offset, &value, sizeof value);
}

SIM_API cuParamSetv(CUfunction handle, int offset, void* value, unsigned bytes) {
  SIM_ENTER_CONTEXT(cuParamSetv, context);
  return set_parameter(context, handle, offset, value, bytes);
}

SIM_API cuLaunch(CUfunction function) {
  SIM_ENTER_CONTEXT(cuLaunch, context);
  return launch_legacy(context, function, 1, 1, nullptr);
}

SIM_API cuLaunchGrid(CUfunction function, int width, int height) {
  SIM_ENTER_CONTEXT(cuLaunchGrid, context);
  return launch_legacy(context, function, width, height, nullptr);
}

SIM_API cuLaunchGridAsync(CUfunction function, int width, int height, CUstream stream) {
  SIM_ENTER_CONTEXT(cuLaunchGridAsync, context);
  return launch_legacy(context, function, width, height, stream);
}

}  // namespace sim
