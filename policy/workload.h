// SPDX-License-Identifier: Apache-2.0
// What a job does to memory, without addresses: allocations, kernels with what they use, frees, and
// where its iterations begin. The input of replay; read from a trace, a text or a generator.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace spillway::policy {

enum class Mode : uint8_t {
  Read,
  Write,  // all of it is overwritten: what it held is not needed
  ReadWrite,
};
inline constexpr bool reads(Mode mode) {
  return mode != Mode::Write;
}
inline constexpr bool writes(Mode mode) {
  return mode != Mode::Read;
}

struct Use {
  uint32_t buffer = 0;
  Mode mode = Mode::ReadWrite;
};

struct Event {
  enum class Kind : uint8_t { Allocate, Free, Kernel, Iteration };
  Kind kind = Kind::Kernel;
  uint32_t buffer = 0;            // Allocate, Free
  uint32_t name = 0;              // Kernel: index in Workload::names
  uint32_t first = 0, count = 0;  // Kernel: its uses
  uint64_t ns = 0;                // Kernel: how long it runs when all it uses is on the device
};

// Every life of an allocation is a buffer of its own, and is allocated before it is used.
struct Workload {
  std::string name;
  std::vector<std::string> names;  // of kernels
  std::vector<uint64_t> buffers;   // bytes of each
  std::vector<Use> uses;
  std::vector<Event> events;

  std::span<const Use> uses_of(const Event& kernel) const {
    return {uses.data() + kernel.first, kernel.count};
  }
};

// Writes a workload down: what generators and readers are made with.
class WorkloadWriter {
 public:
  explicit WorkloadWriter(std::string name) { workload_.name = std::move(name); }
  uint32_t allocate(uint64_t bytes);
  void free(uint32_t buffer);
  void kernel(std::string_view name, uint64_t ns, std::span<const Use> uses);
  void iteration();
  Workload take() { return std::move(workload_); }

 private:
  uint32_t name(std::string_view text);
  Workload workload_;
};

}  // namespace spillway::policy
