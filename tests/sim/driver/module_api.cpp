// SPDX-License-Identifier: Apache-2.0
// Driver entry points of modules.
#include <cstring>

#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/module.h"
#include "tests/sim/driver/stream.h"

namespace sim {
namespace {

CUresult load(Context* context, CUmodule* out, const std::string& image, unsigned count = 0,
              const CUjit_option* options = nullptr, void** values = nullptr) {
  if (const CUresult status = forbid_in_capture()) return status;
  std::shared_ptr<Module> module;
  std::string message;
  const CUresult status = load_image(context, image, &module, &message);
  if (status != CUDA_SUCCESS) {
    write_log(count, options, values, message);
    return status;
  }
  const std::lock_guard lock(modules_mutex());
  *out = modules().insert(std::move(module));
  return CUDA_SUCCESS;
}

CUfunction function_of(const std::shared_ptr<Module>& module, const std::string& name) {
  std::shared_ptr<Function>& function = module->functions[name];
  if (!function) {
    function = std::make_shared<Function>();
    function->name = name;
    function->module = module;
    return functions().insert(function);
  }
  return Handles<Function, CUfunction>::handle(function.get());
}

}  // namespace

SIM_API cuModuleLoadData(CUmodule* out, const void* image) {
  SIM_ENTER_CONTEXT(cuModuleLoadData, context);
  if (!out || !image) return CUDA_ERROR_INVALID_VALUE;
  return load(context, out, copy_image(image));
}

SIM_API cuModuleLoadDataEx(CUmodule* out, const void* image, unsigned count, CUjit_option* options,
                           void** values) {
  SIM_ENTER_CONTEXT(cuModuleLoadDataEx, context);
  if (!out || !image || (count && (!options || !values))) return CUDA_ERROR_INVALID_VALUE;
  return load(context, out, copy_image(image), count, options, values);
}

SIM_API cuModuleLoadFatBinary(CUmodule* out, const void* image) {
  SIM_ENTER_CONTEXT(cuModuleLoadFatBinary, context);
  if (!out || !image) return CUDA_ERROR_INVALID_VALUE;
  return load(context, out, copy_image(image));
}

SIM_API cuModuleLoad(CUmodule* out, const char* path) {
  SIM_ENTER_CONTEXT(cuModuleLoad, context);
  if (!out || !path) return CUDA_ERROR_INVALID_VALUE;
  std::string image;
  if (const CUresult status = read_image(path, &image)) return status;
  return load(context, out, image);
}

SIM_API cuModuleUnload(CUmodule handle) {
  SIM_ENTER_CONTEXT(cuModuleUnload, context);
  const std::lock_guard lock(modules_mutex());
  const auto module = modules().find(handle);
  if (!module || module->library) return CUDA_ERROR_INVALID_HANDLE;
  for (const auto& [name, function] : module->functions) {
    functions().erase(Handles<Function, CUfunction>::handle(function.get()));
  }
  module->functions.clear();
  modules().erase(handle);
  return CUDA_SUCCESS;
}

SIM_API cuModuleGetLoadingMode(CUmoduleLoadingMode* out) {
  SIM_ENTER(cuModuleGetLoadingMode);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  const char* mode = std::getenv("CUDA_MODULE_LOADING");
  *out = mode && !std::strcmp(mode, "EAGER") ? CU_MODULE_EAGER_LOADING : CU_MODULE_LAZY_LOADING;
  return CUDA_SUCCESS;
}

SIM_API cuModuleGetFunction(CUfunction* out, CUmodule handle, const char* name) {
  SIM_ENTER_CONTEXT(cuModuleGetFunction, context);
  if (!out || !name) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(modules_mutex());
  const auto module = modules().find(handle);
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  if (!module->code->kernel(name)) return CUDA_ERROR_NOT_FOUND;
  *out = function_of(module, name);
  return CUDA_SUCCESS;
}

SIM_API cuModuleGetFunctionCount(unsigned* out, CUmodule handle) {
  SIM_ENTER_CONTEXT(cuModuleGetFunctionCount, context);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(modules_mutex());
  const auto module = modules().find(handle);
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  *out = static_cast<unsigned>(module->code->kernels().size());
  return CUDA_SUCCESS;
}

SIM_API cuModuleEnumerateFunctions(CUfunction* out, unsigned count, CUmodule handle) {
  SIM_ENTER_CONTEXT(cuModuleEnumerateFunctions, context);
  if (!out || !count) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(modules_mutex());
  const auto module = modules().find(handle);
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  for (const ptx::Kernel* kernel : module->code->kernels()) {
    if (!count--) break;
    *out++ = function_of(module, ptx::info(*kernel).name);
  }
  return CUDA_SUCCESS;
}

SIM_API cuModuleGetGlobal_v2(CUdeviceptr* address, size_t* bytes, CUmodule handle,
                             const char* name) {
  SIM_ENTER_CONTEXT(cuModuleGetGlobal_v2, context);
  if (!name || (!address && !bytes)) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(modules_mutex());
  const auto module = modules().find(handle);
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  const ptx::Variable* variable = module->code->variable(name);
  if (!variable) return CUDA_ERROR_NOT_FOUND;
  if (address) *address = variable->address;
  if (bytes) *bytes = variable->size;
  return CUDA_SUCCESS;
}

}  // namespace sim
