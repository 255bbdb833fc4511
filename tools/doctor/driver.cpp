// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/driver.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <limits.h>
#include <stdlib.h>

#include <array>

namespace spillway::tools {
namespace {

Driver& instance() {
  static Driver* driver = new Driver;  // leaked: used until the process is gone
  return *driver;
}

constexpr auto kNeeded = std::to_array<const char*>({
#define DRIVER(symbol) #symbol,
#include "runtime/driver.def"
#undef DRIVER
});

}  // namespace

const Driver& cu() {
  return instance();
}

bool open_driver(std::string* failure) {
  void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    *failure = dlerror();
    return false;
  }
  Driver& driver = instance();
// By export, as the library does: cuda.h renames a call to the export whose ABI it declares.
#define CALL(symbol)       \
  driver.symbol.function = \
      reinterpret_cast<decltype(driver.symbol.function)>(dlsym(library, #symbol));
#include "tools/doctor/driver.def"
#undef CALL
  for (const char* name : kNeeded)
    if (dlsym(library, name) == nullptr) driver.lacking.emplace_back(name);
  driver.needed = kNeeded.size();
  Dl_info where{};
  char whole[PATH_MAX];
  if (dladdr(dlsym(library, "cuInit"), &where) != 0 && where.dli_fname != nullptr) {
    driver.path = where.dli_fname;
    driver.file = realpath(where.dli_fname, whole) != nullptr ? whole : where.dli_fname;
  }
  return true;
}

std::string Failed::text() const {
  const char* name = nullptr;
  cu().cuGetErrorName.attempt(result_, &name);
  if (result_ == CUDA_ERROR_NOT_FOUND) name = "this driver lacks it, CUDA_ERROR_NOT_FOUND";
  return fmt::format("{}: {} ({})", call_, name != nullptr ? name : "error",
                     static_cast<int>(result_));
}

}  // namespace spillway::tools
