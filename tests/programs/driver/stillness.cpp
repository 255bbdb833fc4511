// SPDX-License-Identifier: Apache-2.0
// Memory that somebody else may use: still from the call on, and free to move again after its end.
#include "tests/programs/driver/story.h"

using namespace story;

namespace {

std::vector<Buffer> filled() {
  std::vector<Buffer> buffers;
  for (uint32_t i = 0; i < 7; ++i) {
    buffers.push_back(allocate(4 * kMiB));
    write_pattern(buffers.back(), i);
  }
  return buffers;
}

// Room for any two at once, if nothing stayed behind where it was.
void expect_movable(const std::vector<Buffer>& buffers) {
  for (size_t i = 0; i + 1 < buffers.size(); ++i)
    MUST(try_add_to_all({buffers[i], buffers[i + 1]}, 1));
  for (uint32_t i = 0; i < buffers.size(); ++i)
    expect_pattern(buffers[i], i, i == 0 || i + 1 == buffers.size() ? 1 : 2, kStride);
}

// Ordinary memory has no handle, mapped memory has one: either answer is CUDA's. `keep`: of the
// first buffer it is not given back.
void retain_handles(const std::vector<Buffer>& buffers, bool keep) {
  for (size_t i = 0; i < buffers.size(); ++i) {
    CUmemGenericAllocationHandle handle = 0;
    const CUresult result =
        cuMemRetainAllocationHandle(&handle, reinterpret_cast<void*>(buffers[i].address));
    EXPECT(result == CUDA_SUCCESS || result == CUDA_ERROR_INVALID_VALUE);
    if (result == CUDA_SUCCESS && !(keep && i == 0)) MUST(cuMemRelease(handle));
  }
}

}  // namespace

STORY(handles_that_are_given_back) {
  begin();
  const std::vector<Buffer> buffers = filled();
  retain_handles(buffers, false);
  expect_movable(buffers);
}

// What stays still keeps its bytes while the others come and go.
STORY(a_handle_that_is_kept) {
  begin();
  const std::vector<Buffer> buffers = filled();
  retain_handles(buffers, true);
  for (uint32_t round = 0; round < 3; ++round) {
    for (const Buffer& buffer : buffers) add(buffer, 1);
  }
  for (uint32_t i = 0; i < buffers.size(); ++i) expect_pattern(buffers[i], i, 3, kStride);
}
