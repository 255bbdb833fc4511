// SPDX-License-Identifier: Apache-2.0
// A trace as a policy::Workload: what the job did to memory, free of how it was served in that run.
// Input of bounds and of replay.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/workload.h"
#include "tools/trace/history.h"
#include "tools/trace/reader.h"

namespace spillway::tools {

// What a trace does not tell of its kernels, by the names that it has for them.
struct KernelFacts {
  // How long it runs when all that it uses is on the device. Empty: the time from its launch to the
  // next one of its thread, less what that one waited for us. This is when launches were submitted,
  // not when kernels ran: of a program that is far ahead of its GPU only the sum over an iteration,
  // which ends with a wait, is about right, and the time is lost where it waits.
  std::function<uint64_t(std::string_view kernel)> ns;
  // How it uses the allocation that is `place` of the `count` that its arguments name; arguments
  // that are not served (too small, not ours) do not count. Empty: ReadWrite.
  std::function<policy::Mode(std::string_view kernel, size_t place, size_t count)> mode;
};

// Kernels are launches, with the names of the trace; kGraph: a graph, which is one kernel that uses
// what its nodes use; kCopy: a copy or a set of the program, which takes no time of its own.
// Iterations are those that iterations_of finds. Of the first kMostEvents events; allocations whose
// beginning is not in the trace are left out.
class WorkloadReader {
 public:
  static constexpr std::string_view kGraph = "(graph)", kCopy = "(copy)", kNameless = "(nameless)";
  static constexpr size_t kMostEvents = 4 << 20;

  // Every event of the trace, in the order of the file.
  void add(const TraceReader& reader, const Record& record);
  // After the last one, once.
  policy::Workload take(const KernelFacts& facts = {});

  void on(const trace::Named& named, const Record& record);
  void on(const trace::Allocated& made, const Record& record);
  void on(const trace::Freed& freed, const Record& record);
  void on(const trace::Launched& launch, const Record& record);
  void on(const trace::GraphLaunched& launch, const Record& record);
  void on(const trace::Copied& copy, const Record& record);
  void on(const trace::Stalled& stall, const Record& record);

 private:
  struct Happened {
    enum class What : uint8_t { Made, Freed, Launched, Copied } what = What::Made;
    uint32_t name = 0;              // in names_
    uint64_t time = 0;              // ns of CLOCK_MONOTONIC
    uint64_t range = 0, bytes = 0;  // Made, Freed
    uint64_t until_next = 0;        // Launched: ns to the next launch of the thread
    size_t first = 0, count = 0;    // Launched, Copied: in ranges_
  };
  struct Thread {
    size_t latest = 0;  // launch, in happened_, plus one
    uint64_t waited = 0;
  };
  bool full() const { return happened_.size() >= kMostEvents; }
  void use(Happened::What what, uint32_t name, std::span<const uint64_t> ranges,
           const Record& record);
  uint32_t name(std::string_view text);

  History history_;
  std::vector<Happened> happened_;
  std::vector<uint64_t> ranges_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, uint32_t> by_name_;
  std::unordered_map<uint64_t, uint32_t> numbers_;  // of the trace: in names_
  std::unordered_map<uint64_t, Thread> threads_;    // by slot
};

}  // namespace spillway::tools
