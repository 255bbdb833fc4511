// SPDX-License-Identifier: Apache-2.0
// Traces that tell what a test wants, at the times that it wants, through the writer that programs
// use.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>

#include "runtime/trace/recorder.h"
#include "runtime/trace/writer.h"

namespace support {

class TraceMaker {
 public:
  explicit TraceMaker(const std::string& path, const std::string& about = kAbout)
      : begin_(spillway::trace::now()) {
    EXPECT_TRUE(spillway::trace::start({path, 1 << 30, spillway::TraceKeep::Last, about}));
  }
  ~TraceMaker() { spillway::trace::stop(); }
  TraceMaker(const TraceMaker&) = delete;

  // `seconds`: since the beginning of the trace. `thread`: of the program, 0 to 3.
  template <class E>
  TraceMaker& at(double seconds, const E& event, size_t thread = 0) {
    spillway::trace::Ring* ring = rings_[thread].load();
    if (!ring) ring = spillway::trace::own_ring(rings_[thread]);
    while (ring->written().size() > spillway::trace::Ring::kBytes / 2) {
      spillway::trace::wake_writer();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ring->append(begin_ + static_cast<uint64_t>(seconds * 1e9), event);
    return *this;
  }

  static uint64_t kernel(std::string_view name) {
    return spillway::trace::name(spillway::trace::NameOf::Kernel, name);
  }

  static constexpr const char* kAbout =
      R"("pid": 7, "rank": "0", "program": "/usr/bin/train", "policy": "lru")";

 private:
  const uint64_t begin_;
  std::array<std::atomic<spillway::trace::Ring*>, 4> rings_{};
};

}  // namespace support
