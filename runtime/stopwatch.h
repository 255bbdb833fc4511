// SPDX-License-Identifier: Apache-2.0
// How long launches run on the GPU: an event before and one after each, for the lap in which the
// policy asks for it.
#pragma once

#include <cuda.h>

#include <deque>
#include <mutex>
#include <vector>

#include "runtime/driver.h"

namespace spillway {

class Foresight;

class Stopwatch {
 public:
  explicit Stopwatch(const Driver& driver) : driver_(driver) {}

  // A launch of this signature follows in the stream; and has been submitted to it.
  void begin(CUstream stream, CUcontext context, uint64_t signature) noexcept;
  void end(CUstream stream) noexcept;
  // Tells what is over by now.
  void read(Foresight& foresight) noexcept;
  bool read_out() noexcept;  // nothing is left to read
  // Its events die with it.
  void context_gone(CUcontext context) noexcept;

 private:
  struct Lap {
    CUcontext context = nullptr;
    uint64_t signature = 0;
    CUevent begin = nullptr, end = nullptr;
  };
  // Beyond so many that nobody has read, launches go untimed.
  static constexpr size_t kMost = 4096;

  CUevent take() noexcept;
  void drop(const Lap& lap) noexcept;

  const Driver& driver_;
  std::mutex mutex_;  // a leaf; held for no call that may allocate
  std::deque<Lap> laps_;
};

}  // namespace spillway
