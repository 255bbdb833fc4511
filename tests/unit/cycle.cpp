// SPDX-License-Identifier: Apache-2.0
// What a lap is, read from a workload.
#include "policy/cycle.h"

#include <gtest/gtest.h>

#include <functional>

namespace spillway::policy {
namespace {

using Uses = std::vector<Use>;

// `laps` laps that `lap` writes, between marks. It is told which lap it writes.
Workload repeat(
    size_t laps, const std::function<void(WorkloadWriter&, size_t)>& lap,
    const std::function<void(WorkloadWriter&)>& start = [](WorkloadWriter&) {}) {
  WorkloadWriter writer("laps");
  start(writer);
  for (size_t i = 0; i < laps; ++i) {
    writer.iteration();
    lap(writer, i);
  }
  writer.iteration();
  return writer.take();
}

std::vector<uint32_t> kernels_of(const Cycle& cycle, const Block& block) {
  std::vector<uint32_t> kernels;
  for (const BlockUse& use : cycle.uses_of(block)) kernels.push_back(use.kernel);
  return kernels;
}

TEST(Cycle, WeightsLastAndActivationsLiveWithinTheLap) {
  uint32_t weight = 0;
  const auto work = repeat(
      2,
      [&](WorkloadWriter& writer, size_t lap) {
        const uint32_t act = writer.allocate(20);
        writer.kernel("forward", 100 + lap, Uses{{weight, Mode::Read}, {act, Mode::Write}});
        writer.kernel("backward", 200, Uses{{act, Mode::Read}});
        writer.free(act);
        writer.kernel("step", 300, Uses{{weight, Mode::ReadWrite}});
      },
      [&](WorkloadWriter& writer) { weight = writer.allocate(10); });
  const Cycle cycle = cycle_of(work, 1);
  EXPECT_EQ(cycle.ns, (std::vector<uint64_t>{101, 200, 300})) << "the times are those of the lap";
  ASSERT_EQ(cycle.blocks.size(), 2u);
  EXPECT_TRUE(cycle.blocks[0].lasting);
  EXPECT_EQ(cycle.blocks[0].bytes, 10u);
  EXPECT_EQ(kernels_of(cycle, cycle.blocks[0]), (std::vector<uint32_t>{0, 2}));
  EXPECT_EQ(cycle.uses_of(cycle.blocks[0])[1].mode, Mode::ReadWrite);
  const Block& act = cycle.blocks[1];
  EXPECT_FALSE(act.lasting);
  EXPECT_EQ(act.born, 0u);
  EXPECT_EQ(act.dies, 2u);
  EXPECT_EQ(kernels_of(cycle, act), (std::vector<uint32_t>{0, 1}));
}

TEST(Cycle, ALifeMayCrossTheEndOfTheLap) {
  uint32_t carried = 0;
  const auto work = repeat(
      3,
      [&](WorkloadWriter& writer, size_t) {
        writer.kernel("a", 1, Uses{{carried, Mode::Read}});
        writer.free(carried);
        writer.kernel("b", 1, {});
        carried = writer.allocate(5);
        writer.kernel("c", 1, Uses{{carried, Mode::Write}});
      },
      [&](WorkloadWriter& writer) { carried = writer.allocate(5); });
  for (const size_t lap : {1, 2}) {
    const Cycle cycle = cycle_of(work, lap);
    ASSERT_EQ(cycle.blocks.size(), 1u) << lap;
    EXPECT_FALSE(cycle.blocks[0].lasting);
    EXPECT_EQ(cycle.blocks[0].born, 2u);
    EXPECT_EQ(cycle.blocks[0].dies, 4u);
    EXPECT_EQ(kernels_of(cycle, cycle.blocks[0]), (std::vector<uint32_t>{2, 0}));
  }
}

TEST(Cycle, WhatIsMadeAfterTheLastKernelIsBornBeforeTheFirst) {
  uint32_t next = 0;
  const auto work = repeat(
      2,
      [&](WorkloadWriter& writer, size_t) {
        writer.kernel("a", 1, Uses{{next, Mode::Read}});
        writer.free(next);
        writer.kernel("b", 1, {});
        next = writer.allocate(5);
      },
      [&](WorkloadWriter& writer) { next = writer.allocate(5); });
  const Cycle cycle = cycle_of(work, 1);
  ASSERT_EQ(cycle.blocks.size(), 1u);
  EXPECT_EQ(cycle.blocks[0].born, 0u);
  EXPECT_EQ(cycle.blocks[0].dies, 1u);
}

// As in a script: `out = f(in)` frees what `out` was after the new one is made.
TEST(Cycle, ALifeLongerThanALapIsCutWhereNobodyUsesItAnyMore) {
  uint32_t out = 0;
  const auto work = repeat(
      2,
      [&](WorkloadWriter& writer, size_t) {
        const uint32_t made = writer.allocate(5);
        writer.kernel("a", 1, Uses{{made, Mode::Write}});
        writer.free(out);
        out = made;
        writer.kernel("b", 1, {});
      },
      [&](WorkloadWriter& writer) { out = writer.allocate(5); });
  const Cycle cycle = cycle_of(work, 1);
  ASSERT_EQ(cycle.blocks.size(), 1u);
  EXPECT_EQ(cycle.blocks[0].born, 0u);
  EXPECT_EQ(cycle.blocks[0].dies, 2u);
}

TEST(Cycle, IsEmptyWhenABufferIsUsedBesideItsSuccessor) {
  uint32_t state = 0;
  const auto work = repeat(
      3,
      [&](WorkloadWriter& writer, size_t) {
        const uint32_t made = writer.allocate(5);
        writer.kernel("a", 1, Uses{{state, Mode::Read}, {made, Mode::Write}});
        writer.free(state);
        state = made;
      },
      [&](WorkloadWriter& writer) { state = writer.allocate(5); });
  EXPECT_EQ(cycle_of(work, 2).kernels(), 0u);
}

TEST(Cycle, UsesOfOneBlockByOneKernelAreOne) {
  uint32_t a = 0, b = 0;
  const auto work = repeat(
      2,
      [&](WorkloadWriter& writer, size_t) {
        writer.kernel("k", 1,
                      Uses{{a, Mode::Read}, {b, Mode::Write}, {a, Mode::Write}, {b, Mode::Write}});
      },
      [&](WorkloadWriter& writer) {
        a = writer.allocate(1);
        b = writer.allocate(2);
      });
  const Cycle cycle = cycle_of(work, 1);
  ASSERT_EQ(cycle.uses.size(), 2u);
  EXPECT_EQ(cycle.uses[0].mode, Mode::ReadWrite);
  EXPECT_EQ(cycle.uses[1].mode, Mode::Write);
}

TEST(Cycle, AnUnusedBufferStaysOnlyIfItIsReadLater) {
  uint32_t used = 0, read_later = 0, written_later = 0, forgotten = 0;
  const auto work = repeat(
      3,
      [&](WorkloadWriter& writer, size_t lap) {
        const uint32_t idle = writer.allocate(9);
        writer.kernel("k", 1, Uses{{used, Mode::Read}});
        writer.free(idle);
        if (lap < 2) return;
        writer.kernel("evaluate", 1, Uses{{read_later, Mode::Read}, {written_later, Mode::Write}});
      },
      [&](WorkloadWriter& writer) {
        used = writer.allocate(1);
        read_later = writer.allocate(2);
        written_later = writer.allocate(3);
        forgotten = writer.allocate(4);
      });
  const Cycle cycle = cycle_of(work, 1);
  ASSERT_EQ(cycle.blocks.size(), 2u);
  EXPECT_EQ(cycle.blocks[1].bytes, 2u);
  EXPECT_TRUE(cycle.blocks[1].lasting);
  EXPECT_EQ(cycle.blocks[1].count, 0u);
}

TEST(Cycle, IsEmptyWithoutALapBeforeOrAMarkBehind) {
  const auto work =
      repeat(2, [](WorkloadWriter& writer, size_t) { writer.kernel("k", 1, Uses{}); });
  EXPECT_EQ(cycle_of(work, 0).kernels(), 0u);
  EXPECT_EQ(cycle_of(work, 1).kernels(), 1u);
  EXPECT_EQ(cycle_of(work, 2).kernels(), 0u);
  EXPECT_EQ(cycle_of({}, 1).kernels(), 0u);
}

TEST(Cycle, IsEmptyWhenALapDiffersFromTheOneBefore) {
  uint32_t a = 0, b = 0;
  const auto laps_with = [&](const std::function<void(WorkloadWriter&, size_t)>& lap) {
    const auto work = repeat(2, lap, [&](WorkloadWriter& writer) {
      a = writer.allocate(1);
      b = writer.allocate(1);
    });
    return cycle_of(work, 1).kernels();
  };
  EXPECT_EQ(laps_with([&](WorkloadWriter& writer, size_t) {
              writer.kernel("k", 1, Uses{{a, Mode::Read}});
            }),
            1u);
  EXPECT_EQ(laps_with([&](WorkloadWriter& writer, size_t lap) {
              writer.kernel(lap == 0 ? "k" : "l", 1, Uses{{a, Mode::Read}});
            }),
            0u)
      << "another kernel";
  EXPECT_EQ(laps_with([&](WorkloadWriter& writer, size_t lap) {
              writer.kernel("k", 1, Uses{{lap == 0 ? a : b, Mode::Read}});
            }),
            0u)
      << "another buffer of the same size";
  EXPECT_EQ(laps_with([&](WorkloadWriter& writer, size_t lap) {
              writer.kernel("k", 1, Uses{{a, lap == 0 ? Mode::Read : Mode::Write}});
            }),
            0u)
      << "another mode";
  EXPECT_EQ(laps_with([&](WorkloadWriter& writer, size_t lap) {
              const uint32_t made = writer.allocate(lap + 1);
              writer.kernel("k", 1, Uses{{made, Mode::Write}});
              writer.free(made);
            }),
            0u)
      << "another size";
  EXPECT_EQ(laps_with([&](WorkloadWriter& writer, size_t lap) {
              for (size_t i = 0; i <= lap; ++i) writer.kernel("k", 1, Uses{{a, Mode::Read}});
            }),
            0u)
      << "more kernels";
}

}  // namespace
}  // namespace spillway::policy
