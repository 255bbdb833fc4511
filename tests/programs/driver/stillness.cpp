// SPDX-License-Identifier: Apache-2.0
// Memory that somebody else may use: still from the call on, and free to move again after its end.
#include <unistd.h>

#include "tests/programs/driver/story.h"

using namespace story;

namespace {

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
  const std::vector<Buffer> buffers = filled(7, 4 * kMiB);
  retain_handles(buffers, false);
  expect_movable(buffers);
}

// What stays still keeps its bytes while the others come and go.
STORY(a_handle_that_is_kept) {
  begin();
  const std::vector<Buffer> buffers = filled(7, 4 * kMiB);
  retain_handles(buffers, true);
  scan(buffers, 3);
  expect_all(buffers, 3);
}

// A network card reads the memory behind a range, whatever stands at its address later.
STORY(a_dma_buf_that_is_read) {
  begin();
  const std::vector<Buffer> buffers = filled(7, 4 * kMiB);
  const size_t bytes = 64 << 10;
  int card = -1;
  MUST(cuMemGetHandleForAddressRange(&card, buffers[1].address, bytes,
                                     CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD, 0));
  const off_t begin = lseek(card, 0, SEEK_CUR);
  for (uint32_t round = 0; round < 3; ++round) {
    scan(buffers, 2);
    std::vector<uint32_t> seen(bytes / 4), read(bytes / 4);
    MUST(cuMemcpyDtoH(seen.data(), buffers[1].address, bytes));
    EXPECT(pread(card, read.data(), bytes, begin) == static_cast<ssize_t>(bytes));
    EXPECT(read == seen);
  }
  close(card);
  expect_all(buffers, 6);
}
