// SPDX-License-Identifier: Apache-2.0
// A third library, preloaded together with ours, twice: as libthird.so and libfourth.so. Each
// stands in for `ways_probe` and for a driver function, and looks behind itself by RTLD_NEXT, as
// interposers do.
#include <dlfcn.h>

#include <cstring>

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int ways_probe() {
  return 0;
}
// Not the driver's: what a search that began before this library would find.
EXPORT int cuMemAlloc_v2(unsigned long long*, unsigned long) {
  return -1;
}

EXPORT void* WAYS_NEXT(const char* name) {
  return dlsym(RTLD_NEXT, name);
}
EXPORT void* WAYS_NEXT_VERSION(const char* name, const char* version) {
  return dlvsym(RTLD_NEXT, name, version);
}
EXPORT void* WAYS_DEFAULT(const char* name) {
  return dlsym(RTLD_DEFAULT, name);
}
