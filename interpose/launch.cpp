// SPDX-License-Identifier: Apache-2.0
// Kernel launches by every door, and the unloads that make kernel handles mean something else.
#include "interpose/body.h"

BODY_PTSZ(cuLaunchKernel,
          (CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
           unsigned block_y, unsigned block_z, unsigned shared, CUstream stream, void** params,
           void** extra),
          (function, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, stream, params,
           extra),
          manager->launch(function, params, extra, on(stream), submit))

BODY_PTSZ(cuLaunchKernelEx,
          (const CUlaunchConfig* config, CUfunction function, void** params, void** extra),
          (config, function, params, extra),
          config == nullptr ? submit()
                            : manager->launch(function, params, extra, on(config->hStream), submit))

BODY_PTSZ(cuLaunchCooperativeKernel,
          (CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
           unsigned block_y, unsigned block_z, unsigned shared, CUstream stream, void** params),
          (function, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, stream, params),
          manager->launch(function, params, nullptr, on(stream), submit))

// One call, several streams: no single one orders it.
BODY(cuLaunchCooperativeKernelMultiDevice,
     (CUDA_LAUNCH_PARAMS * list, unsigned devices, unsigned flags), (list, devices, flags),
     manager->launch_unknown(on(list != nullptr && devices > 0 ? list->hStream : nullptr), submit))

// Their arguments were given to the driver before, by cuParamSet*.
BODY(cuLaunch, (CUfunction function), (function), manager->launch_unknown(on(nullptr), submit))
BODY(cuLaunchGrid, (CUfunction function, int width, int height), (function, width, height),
     manager->launch_unknown(on(nullptr), submit))
BODY(cuLaunchGridAsync, (CUfunction function, int width, int height, CUstream stream),
     (function, width, height, stream), manager->launch_unknown(on(stream), submit))

namespace {

template <class Submit>
CUresult unload(spillway::Manager* manager, const void* module, Submit&& submit) {
  const CUresult result = submit();
  manager->module_unloaded(module);
  return result;
}

// What is put into a variable goes with its module.
template <class Get>
CUresult variable(spillway::Manager* manager, const void* module, CUdeviceptr* address,
                  size_t* bytes, Get&& get) {
  CUdeviceptr at = 0;
  size_t size = 0;
  const CUresult result = get(&at, &size);
  if (result != CUDA_SUCCESS) return result;
  manager->variable_found(module, at, size);
  if (address != nullptr) *address = at;
  if (bytes != nullptr) *bytes = size;
  return result;
}

}  // namespace

BODY(cuModuleUnload, (CUmodule module), (module), unload(manager, module, submit))
BODY(cuLibraryUnload, (CUlibrary library), (library), unload(manager, library, submit))

#define VARIABLE_BODY(symbol, PARAMETERS, module)                                          \
  BODY(symbol, PARAMETERS, (address, bytes, module, name),                                 \
       variable(manager, module, address, bytes, [&](CUdeviceptr* at, size_t* size) {      \
         const auto driver = spillway::real<decltype(&::symbol)>(spillway::Row::symbol);   \
         return driver != nullptr ? driver(at, size, module, name) : CUDA_ERROR_NOT_FOUND; \
       }))

VARIABLE_BODY(cuModuleGetGlobal_v2,
              (CUdeviceptr * address, size_t* bytes, CUmodule module, const char* name), module)
VARIABLE_BODY(cuLibraryGetGlobal,
              (CUdeviceptr * address, size_t* bytes, CUlibrary library, const char* name), library)

// The driver allocates for what it loads.
BODY(cuModuleLoad, (CUmodule * module, const char* file), (module, file),
     manager->with_relief(submit))
BODY(cuModuleLoadData, (CUmodule * module, const void* image), (module, image),
     manager->with_relief(submit))
BODY(cuModuleLoadDataEx,
     (CUmodule * module, const void* image, unsigned count, CUjit_option* options, void** values),
     (module, image, count, options, values), manager->with_relief(submit))
BODY(cuModuleLoadFatBinary, (CUmodule * module, const void* image), (module, image),
     manager->with_relief(submit))
BODY(cuLibraryLoadData,
     (CUlibrary * library, const void* code, CUjit_option* jit, void** jit_values,
      unsigned jit_count, CUlibraryOption* options, void** values, unsigned count),
     (library, code, jit, jit_values, jit_count, options, values, count),
     manager->with_relief(submit))
BODY(cuLibraryLoadFromFile,
     (CUlibrary * library, const char* file, CUjit_option* jit, void** jit_values,
      unsigned jit_count, CUlibraryOption* options, void** values, unsigned count),
     (library, file, jit, jit_values, jit_count, options, values, count),
     manager->with_relief(submit))
BODY(cuKernelGetFunction, (CUfunction * function, CUkernel kernel), (function, kernel),
     manager->with_relief(submit))
BODY(cuModuleGetFunction, (CUfunction * function, CUmodule module, const char* name),
     (function, module, name), manager->with_relief(submit))
BODY(cuArrayCreate_v2, (CUarray * array, const CUDA_ARRAY_DESCRIPTOR* shape), (array, shape),
     manager->with_relief(submit))
BODY(cuArray3DCreate_v2, (CUarray * array, const CUDA_ARRAY3D_DESCRIPTOR* shape), (array, shape),
     manager->with_relief(submit))
BODY(cuMipmappedArrayCreate,
     (CUmipmappedArray * array, const CUDA_ARRAY3D_DESCRIPTOR* shape, unsigned levels),
     (array, shape, levels), manager->with_relief(submit))
