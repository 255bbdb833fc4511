// SPDX-License-Identifier: Apache-2.0
// Prints what libthird.so and libfourth.so (preloaded) find behind themselves and everywhere, and
// what this program does: symbol and library, or the linker's error message.
#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <initializer_list>

namespace {

using Find = void* (*)(const char*);

void tell(const char* who, const char* name, void* found) {
  const char* error = dlerror();
  Dl_info where{};
  if (found != nullptr) dladdr(found, &where);
  const char* slash = where.dli_fname != nullptr ? std::strrchr(where.dli_fname, '/') : nullptr;
  const char* file = slash != nullptr ? slash + 1 : where.dli_fname;
  std::printf("%s %s: %s%s\n", who, name, found == nullptr ? "nothing" : file,
              error != nullptr ? ", with an error" : "");
}

void* everywhere(const char* name) {
  return dlsym(RTLD_DEFAULT, name);
}
void* behind(const char* name) {
  return dlsym(RTLD_NEXT, name);
}

}  // namespace

int main() {
  const char* const names[] = {"ways_probe",   "malloc",         "puts",  "getenv", "cudaMalloc",
                               "curl_init",    "pthread_create", "cu",    "",       "cuNoSuchThing",
                               "cuMemFree_v2", "cuMemAlloc_v2",  "cuInit"};
  dlerror();
  for (const char* name : names) {
    tell("program, everywhere", name, everywhere(name));
    tell("program, behind", name, behind(name));
    for (const char* finder : {"third_next", "fourth_next", "third_default", "fourth_default"}) {
      const auto find = reinterpret_cast<Find>(dlsym(RTLD_DEFAULT, finder));
      if (find == nullptr) return 1;
      tell(finder, name, find(name));
    }
  }
  using FindVersion = void* (*)(const char*, const char*);
  for (const char* finder : {"third_next_version", "fourth_next_version"}) {
    const auto find = reinterpret_cast<FindVersion>(dlsym(RTLD_DEFAULT, finder));
    if (find == nullptr) return 1;
    for (const char* version : {"GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_99"}) {
      tell(finder, version, find("getenv", version));
    }
  }
}
