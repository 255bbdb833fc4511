// SPDX-License-Identifier: Apache-2.0
// A crowd of buffers that do not fit together, for stories about addresses that no launch shows as
// plain arguments: the first two are reached in some other way, and work on the rest pushes them
// out.
#pragma once

#include "tests/programs/driver/story.h"

namespace story {

constexpr size_t kBuffers = 7;  // 28 MiB

inline std::vector<Buffer> filled() {
  return filled(kBuffers, 4 * kMiB);
}

inline void press(const std::vector<Buffer>& buffers) {
  for (size_t i = 2; i < buffers.size(); ++i) add(buffers[i], 1);
}

// What was added to the first, the second, and each of the others.
inline void expect(const std::vector<Buffer>& buffers, uint32_t first, uint32_t second,
                   uint32_t others) {
  for (uint32_t i = 0; i < buffers.size(); ++i)
    expect_pattern(buffers[i], i, i == 0 ? first : i == 1 ? second : others, kStride);
}

// Were any of them held still, one of these launches would find no room where evicted data can
// only be copied.
inline void expect_that_all_move(const std::vector<Buffer>& buffers, uint32_t value) {
  MUST(try_add_to_all({buffers[0], buffers[1]}, value));
  MUST(try_add_to_all({buffers[2], buffers[3]}, value));
  MUST(try_add_to_all({buffers[4], buffers[5]}, value));
  add(buffers[6], value);
}

inline void launch(const char* name, void** arguments) {
  MUST(cuLaunchKernel(kernel(name), 4, 1, 1, 128, 1, 1, 0, nullptr, arguments, nullptr));
}

}  // namespace story
