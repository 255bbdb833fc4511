// SPDX-License-Identifier: Apache-2.0
// What dlsym.S calls: finding the real functions, and answering for names that look like the
// driver's. May run before anything else in the process: no lock, no allocation and no thread-local
// data until the real functions are known. Compiled without sanitizers for the same reason.
#include "interpose/dlsym.h"

#include <dlfcn.h>

#include <cstdint>

#include "interpose/elf.h"
#include "interpose/glibc_versions.h"
#include "interpose/routes.h"

namespace {

using Dlsym = void* (*)(void*, const char*);
using Dlvsym = void* (*)(void*, const char*, const char*);

constexpr const char* kVersions[] = {SPILLWAY_GLIBC_NEW, SPILLWAY_GLIBC_OLD};

// First and last byte of this library, from the linker.
extern "C" const char __ehdr_start __attribute__((visibility("hidden")));
extern "C" const char _end __attribute__((visibility("hidden")));

bool is_ours(const void* address) noexcept {
  return address >= static_cast<const void*>(&__ehdr_start) &&
         address < static_cast<const void*>(&_end);
}

// glibc's own dlvsym, from its symbol table: asking any lookup function for it would find ours.
Dlvsym find_libc_dlvsym() noexcept {
  const link_map* object = spillway::object_of(&__ehdr_start);
  if (object == nullptr) return nullptr;
  while (object->l_prev != nullptr) object = object->l_prev;
  for (; object != nullptr; object = object->l_next) {
    const char* file = object->l_name;
    for (const char* c = file; *c != '\0'; ++c)
      if (*c == '/') file = c + 1;
    using spillway::begins;
    if (!begins(file, "libc.so") && !begins(file, "libdl.so") && !begins(file, "libc-") &&
        !begins(file, "libdl-"))
      continue;
    if (void* found = spillway::find_in_object(*object, "dlvsym")) {
      return reinterpret_cast<Dlvsym>(found);
    }
  }
  return nullptr;
}

}  // namespace

extern "C" {

__attribute__((visibility("hidden"))) void* spillway_real_dlsym = nullptr;
__attribute__((visibility("hidden"))) void* spillway_real_dlvsym = nullptr;

// Any number of threads may do this at once: all store the same two values.
__attribute__((visibility("hidden"))) void spillway_find_real() {
  const Dlvsym dlvsym = find_libc_dlvsym();
  if (dlvsym == nullptr) return;
  const auto next = [dlvsym](const char* name) -> void* {
    for (const char* version : kVersions) {
      if (void* found = dlvsym(RTLD_NEXT, name, version)) return found;
    }
    return nullptr;
  };
  __atomic_store_n(&spillway_real_dlvsym, next("dlvsym"), __ATOMIC_RELEASE);
  __atomic_store_n(&spillway_real_dlsym, next("dlsym"), __ATOMIC_RELEASE);
}

struct SpillwayAnswer {
  void* value;
  uintptr_t decided;  // 0: ask the real function, as if we were not there
};

// `version`: null for dlsym. `caller`: where the answer is going.
__attribute__((visibility("hidden"))) SpillwayAnswer spillway_dlsym_answer(void* handle,
                                                                           const char* name,
                                                                           const char* version,
                                                                           const void* caller) {
  constexpr SpillwayAnswer kAskTheRealOne{nullptr, 0};
  if (__atomic_load_n(&spillway_real_dlsym, __ATOMIC_ACQUIRE) == nullptr) spillway_find_real();
  const auto look_up = [=](void* from) -> void* {
    if (version == nullptr) return spillway::real_dlsym(from, name);
    const auto dlvsym =
        reinterpret_cast<Dlvsym>(__atomic_load_n(&spillway_real_dlvsym, __ATOMIC_ACQUIRE));
    return dlvsym != nullptr ? dlvsym(from, name, version) : nullptr;
  };
  void* found = handle == RTLD_NEXT ? spillway::find_after(caller, name) : look_up(handle);
  if (found == nullptr) return kAskTheRealOne;

  const spillway::Routes* routes = spillway::seen_routes();
  if (is_ours(found)) {
    // The search met our export before the driver's. Without a driver there is nothing to stand in
    // for: the answer is what the rest of the search finds, with the error message if that is none.
    if (routes != nullptr && routes->has(name)) return {found, 1};
    return {look_up(RTLD_NEXT), 1};
  }
  if (routes == nullptr) return kAskTheRealOne;
  void* body = routes->body_for(found, name, spillway::StreamFlavour::Unknown);
  return body != nullptr ? SpillwayAnswer{body, 1} : kAskTheRealOne;
}

}  // extern "C"

namespace spillway {

void* real_dlsym(void* handle, const char* name) noexcept {
  void* real = __atomic_load_n(&spillway_real_dlsym, __ATOMIC_ACQUIRE);
  if (real == nullptr) {
    spillway_find_real();
    real = __atomic_load_n(&spillway_real_dlsym, __ATOMIC_ACQUIRE);
    if (real == nullptr) return nullptr;
  }
  return reinterpret_cast<Dlsym>(real)(handle, name);
}

}  // namespace spillway
