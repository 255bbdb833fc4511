// SPDX-License-Identifier: Apache-2.0
// A job under construction: tensors, which are freed with their last holder as frameworks do it,
// and kernels, whose durations follow from their work.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "policy/workload.h"

namespace workloads {

inline constexpr uint64_t kMiB = 1 << 20;

// Under this, the library leaves allocations to the driver, and so they are left out here.
inline constexpr uint64_t kSmallest = 2 * kMiB;

// --- the roofline of an H200 ---
// Of its 989 TFLOP/s of dense bf16, what large matrix products reach.
inline constexpr double kFlopsPerSecond = 600e12;
// Kernels read and write HBM at 4.0 TB/s (tests/sim/driver/profile.cpp).
inline constexpr double kBytesPerSecond = 4.0e12;
// Of any kernel, however small: about what it takes to start and to drain.
inline constexpr double kKernelNs = 3'000;

class Job;

class Memory {
 public:
  Memory(Job& job, uint64_t bytes);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

 private:
  friend class Job;
  Job& job_;
  uint64_t bytes_;
  uint32_t buffer_ = 0;
};
using Tensor = std::shared_ptr<const Memory>;

// What a kernel does with a tensor; with a part of it, when `bytes` is less than it has. No tensor,
// no access.
struct Access {
  Tensor tensor;
  spillway::policy::Mode mode;
  uint64_t bytes = ~0ull;
};
inline Access read(Tensor tensor, uint64_t bytes = ~0ull) {
  return {std::move(tensor), spillway::policy::Mode::Read, bytes};
}
inline Access write(Tensor tensor) {
  return {std::move(tensor), spillway::policy::Mode::Write};
}
inline Access update(Tensor tensor, uint64_t bytes = ~0ull) {
  return {std::move(tensor), spillway::policy::Mode::ReadWrite, bytes};
}

class Job {
 public:
  explicit Job(std::string name) : writer_(std::move(name)) {}

  Tensor make(uint64_t bytes) { return std::make_shared<Memory>(*this, bytes); }
  Tensor filled(uint64_t bytes);
  void run(std::string_view kernel, double flops, std::span<const Access> accesses);
  void run(std::string_view kernel, double flops, std::initializer_list<Access> accesses) {
    run(kernel, flops, std::span(accesses.begin(), accesses.size()));
  }
  void iteration() { writer_.iteration(); }
  // What still has holders is never freed.
  spillway::policy::Workload take();

 private:
  friend class Memory;
  spillway::policy::WorkloadWriter writer_;
  bool over_ = false;
};

}  // namespace workloads
