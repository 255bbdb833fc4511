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
  // The exported name carries no ABI suffix only for the four-argument form of before 12.0.
  using Lookup =
      CUresult (*)(const char*, void**, int, cuuint64_t, CUdriverProcAddressQueryResult*);
  auto lookup = reinterpret_cast<Lookup>(dlsym(library, "cuGetProcAddress_v2"));
  if (!lookup) throw std::runtime_error("libcuda.so.1 is older than CUDA 12.0");
  auto find = [&](const char* name) {
    void* address = nullptr;
    CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_SUCCESS;
    if (lookup(name, &address, CUDA_VERSION, CU_GET_PROC_ADDRESS_DEFAULT, &status) != CUDA_SUCCESS)
      address = nullptr;
    return address;
  };
  Driver& driver = instance();
#define ENTRY(function) driver.function.bind(find(#function));
#include "tests/gpu/driver.def"
#undef ENTRY
  Dl_info where{};
  if (dladdr(reinterpret_cast<void*>(lookup), &where) && where.dli_fname)
    driver.path = where.dli_fname;
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
