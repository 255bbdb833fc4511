// SPDX-License-Identifier: Apache-2.0
// Finds a symbol in one loaded object, by its own tables: without the dynamic linker's lock, its
// search order, or its look at the caller. Calls no function that another library might stand in
// for and be looking up right now, as a sanitizer's does for strcmp.
#pragma once

#include <link.h>

namespace spillway {

// strcmp(a, b) == 0, and whether `text` begins with `start`.
constexpr bool same(const char* a, const char* b) noexcept {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
}
constexpr bool begins(const char* text, const char* start) noexcept {
  while (*start != '\0' && *text == *start) ++text, ++start;
  return *start == '\0';
}

// The address of the default version of `name` that the object itself defines; null if none.
void* find_in_object(const link_map& object, const char* name) noexcept;

// The loaded object that contains `address`; null if none.
const link_map* object_of(const void* address) noexcept;

// What dlsym(RTLD_NEXT, name) finds when it is called from `caller`: the first object after the
// caller's that defines it.
void* find_after(const void* caller, const char* name) noexcept;

}  // namespace spillway
