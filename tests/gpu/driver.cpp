// SPDX-License-Identifier: Apache-2.0
#include "tests/gpu/driver.h"

#include <dlfcn.h>

namespace probe {
namespace {

Driver& instance() {
  static Driver* driver = new Driver;  // leaked: used until the process is gone
  return *driver;
}

}  // namespace

const Driver& cu() {
  return instance();
}

void open_driver() {
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
  if (!library) throw std::runtime_error(dlerror());
  Driver& driver = instance();
// By export and not by cuGetProcAddress: cuda.h renames a call to the export whose ABI it declares
// (cuMemAlloc_v2), while cuGetProcAddress gives the newest ABI of a version, which may be another
// one (cuCtxSynchronize of 13.0 takes a context there, and none in cuda.h).
#define EXPORTED(name) #name
#define ENTRY(function) driver.function.bind(dlsym(library, EXPORTED(function)));
#include "tests/gpu/driver.def"
#undef ENTRY
#undef EXPORTED
  Dl_info where{};
  if (dladdr(dlsym(library, "cuInit"), &where) && where.dli_fname) driver.path = where.dli_fname;
}

std::string error_name(CUresult result) {
  const char* name = nullptr;
  cu().cuGetErrorName.attempt(result, &name);
  return std::string(name ? name : "error") + " (" + std::to_string(result) + ")";
}

CudaError::CudaError(const char* call, CUresult result)
    : std::runtime_error(std::string(call) + ": " + error_name(result)),
      call(call),
      result(result) {}

}  // namespace probe
