// SPDX-License-Identifier: Apache-2.0
// Libraries that allocate for themselves.
#include <dlfcn.h>

#include "tests/programs/driver/caller.h"
#include "tests/programs/driver/crowd.h"

using namespace story;

namespace {

// The library's 4 MiB, then more than fits, everything used.
void let_allocate(const char* library) {
  begin();
  void* const handle = dlopen(library, RTLD_NOW);
  if (handle == nullptr) fail("%s", dlerror());
  const auto allocate_in =
      reinterpret_cast<decltype(&allocate_for_itself)>(dlsym(handle, "allocate_for_itself"));
  Buffer theirs{0, 4 * kMiB};
  MUST(allocate_in(&theirs.address, theirs.bytes));
  write_pattern(theirs, 99);
  const std::vector<Buffer> buffers = filled();
  scan(buffers, 3);
  add(theirs, 5);
  expect_all(buffers, 3);
  expect_pattern(theirs, 99, 5, kStride);
}

}  // namespace

STORY(a_library_that_is_excluded) {
  let_allocate("libnccl_stand_in.so");
}

STORY(a_library_like_any_other) {
  let_allocate("libother_stand_in.so");
}
