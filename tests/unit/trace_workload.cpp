// SPDX-License-Identifier: Apache-2.0
// A trace becomes what the job did to memory.
#include "tools/trace/workload.h"

#include <gtest/gtest.h>

#include "tests/unit/folder.h"
#include "tests/unit/trace_maker.h"

namespace spillway::tools {
namespace {

using policy::Event;
using policy::Mode;
using policy::Workload;
using support::Folder;
using support::TraceMaker;
using Kind = Event::Kind;

constexpr uint64_t kMiB = 1 << 20;

Workload workload_of(const std::string& path, const KernelFacts& facts = {}) {
  WorkloadReader workload;
  TraceReader reader(path);
  for (Record record; reader.next(&record);) workload.add(reader, record);
  return workload.take(facts);
}

trace::Allocated made(uint64_t range, uint64_t bytes) {
  return {.range = range, .bytes = bytes};
}

std::vector<Kind> kinds(const Workload& workload) {
  std::vector<Kind> kinds;
  for (const Event& event : workload.events) kinds.push_back(event.kind);
  return kinds;
}

TEST(WorkloadOfTrace, HasALifeOfAnAllocationAsABufferAndALaunchAsAKernel) {
  const Folder folder;
  {
    TraceMaker trace(folder.path + "/t");
    const uint64_t add = trace.kernel("add");
    trace.at(1, made(10, 4 * kMiB)).at(2, made(11, 8 * kMiB));
    trace.at(3, trace::Launched{add, 0, 0, std::array<uint64_t, 2>{11, 10}});
    trace.at(4, trace::Freed{10}).at(5, made(12, 4 * kMiB));
    trace.at(6, trace::GraphLaunched{1, 0, std::array<uint64_t, 1>{12}});
    trace.at(7, trace::Copied{0, 100, std::array<uint64_t, 1>{11}});
  }
  const Workload workload = workload_of(folder.path + "/t");
  EXPECT_EQ(workload.name, "train");
  EXPECT_EQ(workload.buffers, (std::vector<uint64_t>{4 * kMiB, 8 * kMiB, 4 * kMiB}));
  EXPECT_EQ(kinds(workload), (std::vector{Kind::Allocate, Kind::Allocate, Kind::Kernel, Kind::Free,
                                          Kind::Allocate, Kind::Kernel, Kind::Kernel}));
  EXPECT_EQ(workload.names, (std::vector<std::string>{"add", "(graph)", "(copy)"}));
  const auto uses = workload.uses_of(workload.events[2]);
  ASSERT_EQ(uses.size(), 2u);
  EXPECT_EQ(uses[0].buffer, 1u);
  EXPECT_EQ(uses[1].buffer, 0u);
  EXPECT_EQ(uses[1].mode, Mode::ReadWrite);
  EXPECT_EQ(workload.events[3].buffer, 0u);
  EXPECT_EQ(workload.uses_of(workload.events[5])[0].buffer, 2u);
  EXPECT_EQ(workload.events[6].ns, 0u);
}

TEST(WorkloadOfTrace, AsksHowLongKernelsTakeAndWhatTheyDoToTheirArguments) {
  const Folder folder;
  {
    TraceMaker trace(folder.path + "/t");
    trace.at(1, made(10, 4 * kMiB)).at(2, made(11, 8 * kMiB));
    trace.at(3, trace::Launched{trace.kernel("add"), 0, 0, std::array<uint64_t, 3>{10, 11, 10}});
  }
  const KernelFacts facts{
      .ns = [](std::string_view kernel) { return kernel == "add" ? 77u : 0u; },
      .mode = [](std::string_view, size_t place,
                 size_t count) { return place + 1 == count ? Mode::Write : Mode::Read; }};
  const Workload workload = workload_of(folder.path + "/t", facts);
  EXPECT_EQ(workload.events[2].ns, 77u);
  const auto uses = workload.uses_of(workload.events[2]);
  ASSERT_EQ(uses.size(), 2u);
  EXPECT_EQ(uses[0].mode, Mode::ReadWrite) << "read as the first argument, written as the last";
  EXPECT_EQ(uses[1].mode, Mode::Read);
}

TEST(WorkloadOfTrace, TakesTheTimeBetweenLaunchesOfAThreadWithoutItsWaiting) {
  const Folder folder;
  {
    TraceMaker trace(folder.path + "/t");
    const uint64_t add = trace.kernel("add");
    const auto launch = trace::Launched{add, 0, 0, {}};
    trace.at(1, launch).at(1.5, launch, 1);
    trace.at(4, trace::Stalled{trace::StallFor::Data, 2'000'000'000, 0, {}}).at(4, launch);
  }
  const Workload workload = workload_of(folder.path + "/t");
  ASSERT_EQ(workload.events.size(), 3u);
  EXPECT_NEAR(static_cast<double>(workload.events[0].ns), 1e9, 10);
  EXPECT_EQ(workload.events[1].ns, 0u) << "nothing comes after it";
}

TEST(WorkloadOfTrace, PutsThreadsInTheOrderOfTheirTimes) {
  const Folder folder;
  {
    TraceMaker trace(folder.path + "/t");
    const uint64_t add = trace.kernel("add");
    trace.at(2, trace::Launched{add, 0, 0, std::array<uint64_t, 1>{10}}, 0);
    trace.at(3, trace::Freed{10}, 1).at(1, made(10, 4 * kMiB), 2);
  }
  EXPECT_EQ(kinds(workload_of(folder.path + "/t")),
            (std::vector{Kind::Allocate, Kind::Kernel, Kind::Free}));
}

TEST(WorkloadOfTrace, LeavesOutWhatItDoesNotKnowTheSizeOf) {
  const Folder folder;
  {
    TraceMaker trace(folder.path + "/t");
    trace.at(1, made(11, kMiB));
    trace.at(2, trace::Launched{trace.kernel("add"), 0, 0, std::array<uint64_t, 2>{9, 11}});
    trace.at(3, trace::Freed{9});
  }
  const Workload workload = workload_of(folder.path + "/t");
  EXPECT_EQ(kinds(workload), (std::vector{Kind::Allocate, Kind::Kernel}));
  EXPECT_EQ(workload.uses.size(), 1u);
}

TEST(WorkloadOfTrace, MarksTheBeginningOfEachIterationAndTheEndOfTheLast) {
  const Folder folder;
  {
    TraceMaker trace(folder.path + "/t");
    const uint64_t forward = trace.kernel("forward"), backward = trace.kernel("backward");
    for (int step = 0; step < 5; ++step) {
      trace.at(step, trace::Launched{forward, 0, 0, {}});
      trace.at(step + 0.5, trace::Launched{backward, 0, 0, {}});
    }
  }
  std::vector<Kind> expected;
  for (int step = 0; step < 5; ++step)
    expected.insert(expected.end(), {Kind::Iteration, Kind::Kernel, Kind::Kernel});
  EXPECT_EQ(kinds(workload_of(folder.path + "/t")), expected);
}

}  // namespace
}  // namespace spillway::tools
