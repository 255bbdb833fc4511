// SPDX-License-Identifier: Apache-2.0
// What a trace tells adds up, in whatever order its threads told it.
#include "tools/trace/history.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "tests/unit/folder.h"
#include "tests/unit/trace_maker.h"
#include "tools/trace/coverage.h"
#include "tools/trace/iterations.h"

namespace spillway::tools {
namespace {

using support::Folder;
using support::TraceMaker;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kSecond = 1'000'000'000;

History history_of(const std::string& path) {
  History history;
  TraceReader reader(path);
  for (Record record; reader.next(&record);) history.add(reader, record);
  history.finish();
  return history;
}

trace::Moved moved(uint64_t range, uint64_t bytes, double seconds, Cause cause = Cause::Pressure) {
  return {range, 0, bytes, 0, cause, static_cast<uint64_t>(seconds * 1e9)};
}

struct Count {
  uint64_t events = 0, last = 0;
  void join(const Count& later) {
    events += later.events;
    last = later.last;
  }
};

TEST(Axis, KeepsEveryEventWhereverItLies) {
  std::mt19937_64 random(5);
  for (const uint64_t scale : {uint64_t{10}, uint64_t{100'000}, uint64_t{1} << 40, ~uint64_t{0}}) {
    Axis<Count> axis;
    for (int i = 0; i < 3000; ++i) axis.at(random() % scale).events++;
    EXPECT_LE(axis.cells().size(), Axis<Count>::kMost);
    uint64_t all = 0;
    for (const Count& cell : axis.cells()) all += cell.events;
    EXPECT_EQ(all, 3000u) << scale;
    all = 0;
    for (const auto& row : axis.rows(7)) all += row.cell.events;
    EXPECT_EQ(all, 3000u) << scale;
  }
}

TEST(Axis, SpreadsASpanOverTheIntervalsThatItTouches) {
  Axis<Count> axis;
  axis.at(1000);
  axis.at(1'000'000);
  axis.spread(0, 500'000, [](Count& cell, uint64_t ns) { cell.events += ns; });
  uint64_t all = 0;
  for (const Count& cell : axis.cells()) {
    EXPECT_LE(cell.events, axis.width());
    all += cell.events;
  }
  EXPECT_EQ(all, 499'000u);  // what is before the axis is left out
}

TEST(Coverage, CountsWhatSpansCoverTogetherOnce) {
  std::mt19937 random(2);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<std::pair<uint64_t, uint64_t>> spans;
    std::vector<bool> expected(400);
    for (int i = 0; i < 40; ++i) {
      const uint64_t from = random() % 350;
      spans.emplace_back(from, from + random() % 50);
    }
    std::ranges::sort(spans, {}, [](const auto& span) { return span.second; });
    std::vector<int> covered(400);
    Coverage coverage;
    for (const auto& [from, to] : spans) {
      for (uint64_t at = from; at < to; ++at) expected[at] = true;
      coverage.add(from, to, [&](uint64_t begin, uint64_t end) {
        for (uint64_t at = begin; at < end; ++at) covered[at]++;
      });
    }
    for (size_t at = 0; at < 400; ++at) ASSERT_EQ(covered[at], expected[at] ? 1 : 0) << at;
  }
}

// The thread that moves tells of a range after the program's own has told that it is gone, and the
// other way round.
TEST(History, MemoryIsAddedUpInTheOrderOfTime) {
  const Folder folder;
  const std::string path = folder.path + "/trace";
  {
    TraceMaker trace(path);
    trace.at(0, trace::Budget{0, 6 * kMiB, 100 * kMiB});
    for (uint64_t i = 0; i < 10; ++i) {
      const auto begin = static_cast<double>(i);
      trace.at(begin + 0.1, trace::Allocated{i + 1, 0, 8 * kMiB, 0, false}, 0);
      trace.at(begin + 0.5, trace::Evicted{moved(i + 1, 4 * kMiB, 0.2)}, 1);
      trace.at(begin + 0.9, trace::Freed{i + 1}, 2);
    }
  }
  const History history = history_of(path);
  EXPECT_EQ(history.peak, 8 * kMiB);
  EXPECT_EQ(history.budget, 6 * kMiB);
  EXPECT_EQ(history.out.bytes, 40 * kMiB);
  EXPECT_EQ(history.out.moves, 10u);
  EXPECT_NEAR(static_cast<double>(history.out.busy), 2e9, 1e6);
  EXPECT_EQ(history.in.busy, 0u);
  uint64_t out = 0;
  for (const Interval& interval : history.time.cells()) {
    out += interval.out.all();
    EXPECT_LE(interval.most.allocated, 8 * kMiB);
    EXPECT_LE(interval.last.evicted, 4 * kMiB);
  }
  EXPECT_EQ(out, 40 * kMiB);
  const auto rows = history.time.rows(2000);
  EXPECT_EQ(rows.back().cell.last.allocated, 0u);
  EXPECT_EQ(rows.back().cell.last.evicted, 0u);
}

TEST(History, StallsAreChargedToTheLaunchThatFollows) {
  const Folder folder;
  const std::string path = folder.path + "/trace";
  const uint64_t range[] = {1};
  {
    TraceMaker trace(path);
    trace.at(1, trace::Stalled{trace::StallFor::Data, kSecond, kMiB, range}, 1);
    trace.at(1.1, trace::Launched{TraceMaker::kernel("other"), 1, 0, {}}, 2);
    trace.at(1.1, trace::Launched{TraceMaker::kernel("mine"), 1, 0, range}, 1);
    trace.at(4, trace::Stalled{trace::StallFor::Room, 2 * kSecond, 0, {}}, 1);
    trace.at(5, trace::Stalled{trace::StallFor::Data, kSecond / 2, 0, {}}, 1);
  }
  const History history = history_of(path);
  EXPECT_EQ(history.kernels.at("mine").waited.ns, kSecond);
  EXPECT_EQ(history.kernels.at("other").waited.ns, 0u);
  EXPECT_EQ(history.ranges.at(1).waited.bytes, kMiB);
  EXPECT_EQ(history.waited.ns, kSecond * 7 / 2);
  uint64_t kernels = 0;
  for (const auto& [name, kernel] : history.kernels) kernels += kernel.waited.ns;
  EXPECT_EQ(kernels, history.waited.ns);
}

// The older part of a trace is gone, and with it the beginning of what still moves.
TEST(History, WhatWasThereBeforeTheTraceCountsAsFarAsItIsSeen) {
  const Folder folder;
  const std::string path = folder.path + "/trace";
  {
    TraceMaker trace(path);
    trace.at(1, trace::Freed{99});
    trace.at(2, trace::Evicted{{5, 2 * kMiB, 2 * kMiB, 0, Cause::Pressure, 0}});
    trace.at(3, trace::Fetched{{5, 2 * kMiB, 2 * kMiB, 0, Cause::Launch, 0}});
    trace.at(4, trace::Freed{5});
    trace.at(5, trace::Fetched{{5, 0, 2 * kMiB, 0, Cause::Launch, 0}});
  }
  const History history = history_of(path);
  EXPECT_EQ(history.inherited, 1u);
  EXPECT_EQ(history.peak, 4 * kMiB);
  EXPECT_EQ(history.time.cells().back().last.allocated, 0u);
}

TEST(Iterations, AreFoundWhereAProgramRepeatsItself) {
  const Folder folder;
  const std::string path = folder.path + "/trace";
  {
    TraceMaker trace(path);
    const auto launch = [&](double time, const char* name) {
      trace.at(time, trace::Launched{TraceMaker::kernel(name), 1, 0, {}});
    };
    launch(0, "initialise");
    for (int step = 0; step < 20; ++step) {
      const double begin = 1 + step;
      launch(begin, "embed");
      for (int layer = 0; layer < 12; ++layer)  // repeats, too, and is no iteration
        for (const char* kernel : {"attention", "norm", "mlp", "norm"})
          launch(begin + 0.05 * layer, kernel);
      launch(begin + 0.7, "loss");
      trace.at(begin + 0.9, trace::Stalled{trace::StallFor::Data, kSecond / 10, 0, {}});
      for (int tensor = 0; tensor < 24; ++tensor) launch(begin + 0.9, "adam");
      if (step % 10 == 9) launch(begin + 0.95, "checkpoint");
    }
  }
  const std::vector<Iteration> iterations = iterations_of(history_of(path));
  ASSERT_EQ(iterations.size(), 19u);
  int usual = 0;
  for (const Iteration& each : iterations) {
    usual += each.usual;
    EXPECT_NEAR(static_cast<double>(each.end - each.begin), 1e9, 1e6);
    EXPECT_EQ(each.waited, kSecond / 10);
  }
  EXPECT_EQ(usual, 18);
}

TEST(Iterations, AreNotMadeUp) {
  const Folder folder;
  const std::string path = folder.path + "/trace";
  {
    TraceMaker trace(path);
    std::mt19937 random(3);
    const std::string names[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5000; ++i)
      trace.at(i * 1e-3, trace::Launched{TraceMaker::kernel(names[random() % 5]), 1, 0, {}});
  }
  EXPECT_TRUE(iterations_of(history_of(path)).empty());
}

}  // namespace
}  // namespace spillway::tools
