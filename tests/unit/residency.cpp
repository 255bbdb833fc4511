// SPDX-License-Identifier: Apache-2.0
// The residency machine and its one writer.
#include <gtest/gtest.h>

#include "runtime/ledger.h"

namespace spillway {
namespace {

constexpr Step kAllSteps[] = {Step::Back,   Step::BackHost, Step::BeginEvict, Step::Rescue,
                              Step::Leave,  Step::EndEvict, Step::AbortEvict, Step::BeginFetch,
                              Step::Arrive, Step::EndFetch, Step::AbortFetch, Step::Drop};

struct Book : testing::Test {
  Book() : engine(Driver{}, default_config()), held(engine.ledger) {
    range.pieces.resize(2);
    for (Piece& piece : range.pieces) piece.range = &range;
  }
  bool step(int piece, Step step) {
    return advance(engine, held, range.pieces[piece], step, Cause::Pressure);
  }
  Engine engine;
  Held held;
  Range range;
};

TEST_F(Book, ARangeIsSettledOnlyWhenEveryPieceIsOnTheDevice) {
  EXPECT_TRUE(step(0, Step::Back));
  EXPECT_FALSE(range.settled);
  EXPECT_TRUE(step(1, Step::Back));
  EXPECT_TRUE(range.settled);
  EXPECT_TRUE(step(1, Step::BeginEvict));
  EXPECT_FALSE(range.settled);
  EXPECT_TRUE(step(1, Step::AbortEvict));
  EXPECT_TRUE(range.settled);
}

TEST_F(Book, AnImpossibleStepIsRefusedAndChangesNothing) {
  ASSERT_TRUE(step(0, Step::Back));
  for (const Step wrong : kAllSteps) {
    if (next(Residency::Device, wrong)) continue;
    EXPECT_FALSE(step(0, wrong)) << name(wrong);
    EXPECT_EQ(range.pieces[0].residency, Residency::Device) << name(wrong);
  }
}

TEST_F(Book, OnlyCompletedMovesAreCounted) {
  range.pieces[0].bytes = 5;
  step(0, Step::Back);
  step(0, Step::BeginEvict);
  step(0, Step::AbortEvict);
  EXPECT_EQ(engine.counters.moved_out_bytes, 0u);
  step(0, Step::BeginEvict);
  step(0, Step::Rescue);
  EXPECT_EQ(engine.counters.moved_out_bytes, 0u);
  EXPECT_EQ(engine.counters.rescues, 1u);
  step(0, Step::BeginEvict);
  step(0, Step::Leave);
  step(0, Step::EndEvict);
  step(0, Step::BeginFetch);
  step(0, Step::AbortFetch);
  EXPECT_EQ(engine.counters.moved_out_bytes, 5u);
  EXPECT_EQ(engine.counters.moved_in_bytes, 0u);
  step(0, Step::BeginFetch);
  step(0, Step::Arrive);
  EXPECT_EQ(engine.counters.moved_in_bytes, 0u);
  step(0, Step::EndFetch);
  EXPECT_EQ(engine.counters.moved_in_bytes, 5u);
  EXPECT_EQ(engine.counters.evictions, 1u);
  EXPECT_EQ(engine.counters.fetches, 1u);
}

TEST(ResidencyTable, EveryStateCanBeReachedAndLeft) {
  for (const StateRow& row : kStates) {
    bool reached = row.state == Residency::Unbacked, left = false;
    for (const Edge& edge : kEdges) {
      reached |= edge.to == row.state;
      left |= edge.from == row.state;
    }
    EXPECT_TRUE(reached) << row.name;
    EXPECT_TRUE(left) << row.name;
  }
}

TEST_F(Book, WorkMayBeSubmittedForWhatArrivesButItIsNotSettled) {
  step(0, Step::BackHost);
  step(1, Step::Back);
  step(0, Step::BeginFetch);
  EXPECT_FALSE(usable(range));
  step(0, Step::Arrive);
  EXPECT_TRUE(usable(range));
  EXPECT_TRUE(on_device(range));
  EXPECT_FALSE(range.settled);
  step(0, Step::EndFetch);
  EXPECT_TRUE(range.settled);
}

TEST_F(Book, WhatLeavesCanBeTakenBackUntilItsCopyIsSeenToBeOver) {
  step(0, Step::Back);
  step(1, Step::Back);
  step(0, Step::BeginEvict);
  EXPECT_FALSE(range.settled);
  EXPECT_TRUE(step(0, Step::Rescue));
  EXPECT_TRUE(range.settled);
  step(0, Step::BeginEvict);
  step(0, Step::Leave);
  EXPECT_FALSE(step(0, Step::Rescue));
}

TEST(ResidencyTable, NoStepLeavesBytesNowhere) {
  for (const Edge& edge : kEdges) {
    if (edge.step == Step::Drop) continue;
    EXPECT_TRUE(facts(edge.to).device_copy || facts(edge.to).host_copy) << name(edge.step);
  }
}

}  // namespace
}  // namespace spillway
