// SPDX-License-Identifier: Apache-2.0
// A workload as plain text, one line an event: policy/WORKLOADS.md describes it. For people, and
// for programs that know what a job does without having run it here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <stdexcept>
#include <string>

#include "policy/workload.h"

namespace spillway::policy {

// "line 12: ...": what was found there, and what would be right.
class WorkloadTextError : public std::runtime_error {
 public:
  WorkloadTextError(size_t line, const std::string& what)
      : std::runtime_error(
            std::string("line ").append(std::to_string(line)).append(": ").append(what)),
        line_(line) {}
  size_t line() const { return line_; }

 private:
  size_t line_;
};

// What a text may come to; texts of others are not trusted. Sums of a few laps, of times and of
// live bytes, fit 64 bits by this: who computes with a workload need not look.
struct WorkloadTextLimits {
  size_t line_bytes = 1 << 20;
  size_t events = 1 << 26;
  size_t uses = 1 << 28;                    // of all kernels together
  uint64_t buffer_bytes = 1ull << 40;       // 1 TiB
  uint64_t live_bytes = 1ull << 50;         // 1 PiB, of all buffers that are there at once
  uint64_t ns = 1'000'000'000'000'000'000;  // 32 years, of all kernels together
};

// What is not such a text, or has no meaning, throws WorkloadTextError.
Workload read_workload_text(std::istream& from, const WorkloadTextLimits& limits = {});

// Buffers get names of numbers, in the order of their allocation. To read it again gives the same
// workload, if its buffers and names are numbered in their order of appearance, as WorkloadWriter
// does it.
void write_workload_text(const Workload& workload, std::ostream& to);

}  // namespace spillway::policy
