// SPDX-License-Identifier: Apache-2.0
// Driver entry points of libraries and of the kernels in them.
#include "tests/sim/driver/entry.h"
#include "tests/sim/driver/module.h"
#include "tests/sim/driver/stream.h"

namespace sim {
namespace {

CUkernel as_kernel(const std::shared_ptr<Function>& function) {
  return reinterpret_cast<CUkernel>(function.get());
}

CUfunction as_function(CUkernel kernel) {
  return reinterpret_cast<CUfunction>(kernel);
}

// Code is checked now, in the current context when there is one, and loaded elsewhere on demand.
CUresult load(CUlibrary* out, std::string image, unsigned count, const CUjit_option* options,
              void** values) {
  if (image.empty()) return CUDA_ERROR_INVALID_IMAGE;
  if (const CUresult status = forbid_in_capture()) return status;
  auto library = std::make_shared<Library>();
  library->image = std::move(image);
  const std::lock_guard lock(modules_mutex());
  if (Context* const context = current_context(); context && usable(context) == CUDA_SUCCESS) {
    std::shared_ptr<Module> module;
    std::string message;
    const CUresult status = load_image(context, library->image, &module, &message);
    if (status != CUDA_SUCCESS) {
      write_log(count, options, values, message);
      return status;
    }
    module->library = library.get();
    modules().insert(module);
    library->instances[context] = std::move(module);
  }
  *out = libraries().insert(std::move(library));
  return CUDA_SUCCESS;
}

// The library's code in the current context.
CUresult instance(CUlibrary handle, Context* context, std::shared_ptr<Module>* out) {
  const auto library = libraries().find(handle);
  if (!library) return CUDA_ERROR_INVALID_HANDLE;
  return library_instance(*library, context, out);
}

std::shared_ptr<Function> kernel_of(const std::shared_ptr<Library>& library,
                                    const std::string& name) {
  std::shared_ptr<Function>& function = library->kernels[name];
  if (!function) {
    function = std::make_shared<Function>();
    function->name = name;
    function->library = library;
    functions().insert(function);
  }
  return function;
}

CUresult global(CUdeviceptr* address, size_t* bytes, CUlibrary handle, const char* name,
                Context* context) {
  if (!name || (!address && !bytes)) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(modules_mutex());
  std::shared_ptr<Module> module;
  if (const CUresult status = instance(handle, context, &module)) return status;
  const ptx::Variable* variable = module->code->variable(name);
  if (!variable) return CUDA_ERROR_NOT_FOUND;
  if (address) *address = variable->address;
  if (bytes) *bytes = variable->size;
  return CUDA_SUCCESS;
}

}  // namespace

SIM_API cuLibraryLoadData(CUlibrary* out, const void* code, CUjit_option* options, void** values,
                          unsigned count, CUlibraryOption* library_options, void** library_values,
                          unsigned library_count) {
  SIM_ENTER(cuLibraryLoadData);
  if (!out || !code || (count && (!options || !values)) ||
      (library_count && (!library_options || !library_values))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return load(out, copy_image(code), count, options, values);
}

SIM_API cuLibraryLoadFromFile(CUlibrary* out, const char* path, CUjit_option* options,
                              void** values, unsigned count, CUlibraryOption* library_options,
                              void** library_values, unsigned library_count) {
  SIM_ENTER(cuLibraryLoadFromFile);
  if (!out || !path || (count && (!options || !values)) ||
      (library_count && (!library_options || !library_values))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::string image;
  if (const CUresult status = read_image(path, &image)) return status;
  return load(out, std::move(image), count, options, values);
}

SIM_API cuLibraryUnload(CUlibrary handle) {
  SIM_ENTER(cuLibraryUnload);
  const std::lock_guard lock(modules_mutex());
  const auto library = libraries().erase(handle);
  if (!library) return CUDA_ERROR_INVALID_HANDLE;
  for (const auto& [name, function] : library->kernels) {
    functions().erase(Handles<Function, CUfunction>::handle(function.get()));
  }
  for (const auto& [context, module] : library->instances) {
    for (const auto& [name, function] : module->functions) {
      functions().erase(Handles<Function, CUfunction>::handle(function.get()));
    }
    modules().erase(Handles<Module, CUmodule>::handle(module.get()));
  }
  library->kernels.clear();
  library->instances.clear();  // queued launches keep their code
  return CUDA_SUCCESS;
}

SIM_API cuLibraryGetKernel(CUkernel* out, CUlibrary handle, const char* name) {
  SIM_ENTER_CONTEXT(cuLibraryGetKernel, context);
  if (!out || !name) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(modules_mutex());
  std::shared_ptr<Module> module;
  if (const CUresult status = instance(handle, context, &module)) return status;
  if (!module->code->kernel(name)) return CUDA_ERROR_NOT_FOUND;
  *out = as_kernel(kernel_of(libraries().find(handle), name));
  return CUDA_SUCCESS;
}

SIM_API cuLibraryGetKernelCount(unsigned* out, CUlibrary handle) {
  SIM_ENTER_CONTEXT(cuLibraryGetKernelCount, context);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(modules_mutex());
  std::shared_ptr<Module> module;
  if (const CUresult status = instance(handle, context, &module)) return status;
  *out = static_cast<unsigned>(module->code->kernels().size());
  return CUDA_SUCCESS;
}

SIM_API cuLibraryEnumerateKernels(CUkernel* out, unsigned count, CUlibrary handle) {
  SIM_ENTER_CONTEXT(cuLibraryEnumerateKernels, context);
  if (!out || !count) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(modules_mutex());
  std::shared_ptr<Module> module;
  if (const CUresult status = instance(handle, context, &module)) return status;
  for (const ptx::Kernel* kernel : module->code->kernels()) {
    if (!count--) break;
    *out++ = as_kernel(kernel_of(libraries().find(handle), ptx::info(*kernel).name));
  }
  return CUDA_SUCCESS;
}

SIM_API cuLibraryGetModule(CUmodule* out, CUlibrary handle) {
  SIM_ENTER_CONTEXT(cuLibraryGetModule, context);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(modules_mutex());
  std::shared_ptr<Module> module;
  if (const CUresult status = instance(handle, context, &module)) return status;
  *out = Handles<Module, CUmodule>::handle(module.get());
  return CUDA_SUCCESS;
}

SIM_API cuLibraryGetGlobal(CUdeviceptr* address, size_t* bytes, CUlibrary handle,
                           const char* name) {
  SIM_ENTER_CONTEXT(cuLibraryGetGlobal, context);
  return global(address, bytes, handle, name, context);
}

// Managed variables live in device memory here, like the others.
SIM_API cuLibraryGetManaged(CUdeviceptr* address, size_t* bytes, CUlibrary handle,
                            const char* name) {
  SIM_ENTER_CONTEXT(cuLibraryGetManaged, context);
  return global(address, bytes, handle, name, context);
}

SIM_API cuKernelGetFunction(CUfunction* out, CUkernel kernel) {
  SIM_ENTER_CONTEXT(cuKernelGetFunction, context);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  LoadedKernel loaded;
  if (const CUresult status = find_kernel(as_function(kernel), context, &loaded)) return status;
  *out = as_function(kernel);
  return CUDA_SUCCESS;
}

SIM_API cuKernelGetLibrary(CUlibrary* out, CUkernel kernel) {
  SIM_ENTER(cuKernelGetLibrary);
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(modules_mutex());
  const auto function = functions().find(as_function(kernel));
  const auto library = function ? function->library.lock() : nullptr;
  if (!library) return CUDA_ERROR_INVALID_HANDLE;
  *out = Handles<Library, CUlibrary>::handle(library.get());
  return CUDA_SUCCESS;
}

}  // namespace sim
