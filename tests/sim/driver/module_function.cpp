// SPDX-License-Identifier: Apache-2.0
// Driver entry points that ask about, or adjust, one kernel: by CUfunction and by CUkernel.
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/hidden.h"
#include "tests/sim/driver/launch.h"

namespace sim {
namespace {

CUfunction as_function(CUkernel kernel) {
  return reinterpret_cast<CUfunction>(kernel);
}

CUresult get_attribute(Context* context, int* out, CUfunction_attribute attribute,
                       CUfunction handle) {
  if (!out || attribute < 0 || attribute >= CU_FUNC_ATTRIBUTE_MAX) return CUDA_ERROR_INVALID_VALUE;
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  *out = function_attribute(kernel, attribute);
  return CUDA_SUCCESS;
}

CUresult set_attribute(Context* context, CUfunction handle, CUfunction_attribute attribute,
                       int value) {
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      if (value < 0 || value + kernel.info().static_shared_bytes > max_shared_bytes()) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      break;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      if (value < -1 || value > 100) return CUDA_ERROR_INVALID_VALUE;
      break;
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
      if (value < 0) return CUDA_ERROR_INVALID_VALUE;
      break;
    default:
      return CUDA_ERROR_INVALID_VALUE;  // read-only or unknown
  }
  const std::lock_guard lock(modules_mutex());
  kernel.function->attributes[attribute] = value;
  return CUDA_SUCCESS;
}

// Loads nothing: the name is known from the handle.
CUresult get_name(const char** out, CUfunction handle) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(modules_mutex());
  const auto function = functions().find(handle);
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  *out = function->name.c_str();
  return CUDA_SUCCESS;
}

CUresult param_info(Context* context, CUfunction handle, size_t index, size_t* offset,
                    size_t* size) {
  if (!offset) return CUDA_ERROR_INVALID_VALUE;
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  const auto& params = kernel.info().params;
  if (index >= params.size()) return CUDA_ERROR_INVALID_VALUE;
  *offset = params[index].offset;
  if (size) *size = params[index].size;
  return CUDA_SUCCESS;
}

CUresult known(Context* context, CUfunction handle) {
  LoadedKernel kernel;
  return find_kernel(handle, context, &kernel);
}

// The device of a cuKernel call must be the current one: other devices have their own instance.
CUresult on_device(Context* context, CUdevice device) {
  return device == context->device ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

}  // namespace

SIM_API cuFuncGetAttribute(int* out, CUfunction_attribute attribute, CUfunction handle) {
  SIM_ENTER_CONTEXT(cuFuncGetAttribute, context);
  return get_attribute(context, out, attribute, handle);
}

SIM_API cuKernelGetAttribute(int* out, CUfunction_attribute attribute, CUkernel kernel,
                             CUdevice device) {
  SIM_ENTER_CONTEXT(cuKernelGetAttribute, context);
  if (const CUresult status = on_device(context, device)) return status;
  return get_attribute(context, out, attribute, as_function(kernel));
}

SIM_API cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
  SIM_ENTER_CONTEXT(cuFuncSetAttribute, context);
  return set_attribute(context, handle, attribute, value);
}

SIM_API cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel kernel,
                             CUdevice device) {
  SIM_ENTER_CONTEXT(cuKernelSetAttribute, context);
  if (const CUresult status = on_device(context, device)) return status;
  return set_attribute(context, as_function(kernel), attribute, value);
}

SIM_API cuFuncSetCacheConfig(CUfunction handle, CUfunc_cache) {
  SIM_ENTER_CONTEXT(cuFuncSetCacheConfig, context);
  return known(context, handle);
}

SIM_API cuKernelSetCacheConfig(CUkernel kernel, CUfunc_cache, CUdevice device) {
  SIM_ENTER_CONTEXT(cuKernelSetCacheConfig, context);
  if (const CUresult status = on_device(context, device)) return status;
  return known(context, as_function(kernel));
}

SIM_API cuFuncSetSharedMemConfig(CUfunction handle, CUsharedconfig) {
  SIM_ENTER_CONTEXT(cuFuncSetSharedMemConfig, context);
  return known(context, handle);
}

SIM_API cuFuncGetModule(CUmodule* out, CUfunction handle) {
  SIM_ENTER_CONTEXT(cuFuncGetModule, context);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  *out = Handles<Module, CUmodule>::handle(kernel.module.get());
  return CUDA_SUCCESS;
}

SIM_API cuFuncGetName(const char** out, CUfunction handle) {
  SIM_ENTER(cuFuncGetName);
  return get_name(out, handle);
}

SIM_API cuKernelGetName(const char** out, CUkernel kernel) {
  SIM_ENTER(cuKernelGetName);
  return get_name(out, as_function(kernel));
}

SIM_API cuFuncGetParamInfo(CUfunction handle, size_t index, size_t* offset, size_t* size) {
  SIM_ENTER_CONTEXT(cuFuncGetParamInfo, context);
  return param_info(context, handle, index, offset, size);
}

SIM_API cuKernelGetParamInfo(CUkernel kernel, size_t index, size_t* offset, size_t* size) {
  SIM_ENTER_CONTEXT(cuKernelGetParamInfo, context);
  return param_info(context, as_function(kernel), index, offset, size);
}

SIM_API cuFuncIsLoaded(CUfunctionLoadingState* out, CUfunction handle) {
  SIM_ENTER_CONTEXT(cuFuncIsLoaded, context);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  *out =
      hidden_loaded(kernel) ? CU_FUNCTION_LOADING_STATE_LOADED : CU_FUNCTION_LOADING_STATE_UNLOADED;
  return CUDA_SUCCESS;
}

SIM_API cuFuncLoad(CUfunction handle) {
  SIM_ENTER_CONTEXT(cuFuncLoad, context);
  LoadedKernel kernel;
  if (const CUresult status = find_kernel(handle, context, &kernel)) return status;
  return hidden_load(kernel);
}

}  // namespace sim
