// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/cudart/driver.h"

#include <dlfcn.h>

namespace sim::cudart {
namespace {

CUresult load(Drivers& out) {
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return CUDA_ERROR_STUB_LIBRARY;
  out.get_proc_address =
      reinterpret_cast<PFN_cuGetProcAddress_v12000>(dlsym(library, "cuGetProcAddress_v2"));
  if (out.get_proc_address == nullptr) return CUDA_ERROR_STUB_LIBRARY;

  // A function that this driver lacks stays null and answers cudaErrorNotSupported when called.
  auto find = [&out](const char* name, int version, cuuint64_t flags, void* slot) {
    CUdriverProcAddressQueryResult found;
    void* address = nullptr;
    if (out.get_proc_address(name, &address, version, flags, &found) == CUDA_SUCCESS)
      *static_cast<void**>(slot) = address;
  };
#define DRIVER(name, version)                                               \
  find("cu" #name, version, CU_GET_PROC_ADDRESS_DEFAULT, &out.legacy.name); \
  out.per_thread.name = out.legacy.name;
#define STREAM(name, version, per_thread_version)                                     \
  find("cu" #name, version, CU_GET_PROC_ADDRESS_DEFAULT, &out.legacy.name);           \
  find("cu" #name, per_thread_version, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, \
       &out.per_thread.name);
#include "tests/sim/cudart/driver.def"
#undef STREAM
#undef DRIVER
  if (out.legacy.Init == nullptr) return CUDA_ERROR_STUB_LIBRARY;
  if (out.legacy.DriverGetVersion != nullptr) out.legacy.DriverGetVersion(&out.version);
  return out.legacy.Init(0);
}

}  // namespace

const Drivers& drivers() {
  static const Drivers* const instance = [] {
    auto* loaded = new Drivers;  // leaked: programs call us after destructors ran
    loaded->status = load(*loaded);
    return loaded;
  }();
  return *instance;
}

}  // namespace sim::cudart
