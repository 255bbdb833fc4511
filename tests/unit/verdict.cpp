// SPDX-License-Identifier: Apache-2.0
// What is said of a job: of cycles whose bound is known in closed form.
#include "policy/verdict.h"

#include <gtest/gtest.h>

#include "policy/bounds.h"

namespace spillway::policy {
namespace {

using Fault = Verdict::Fault;

constexpr uint64_t kBlock = 64 << 20;
constexpr uint32_t kBlocks = 40;

// Each kernel changes a block of its own.
Cycle scan(uint64_t ns) {
  Cycle cycle;
  for (uint32_t k = 0; k < kBlocks; k++) {
    cycle.ns.push_back(ns);
    cycle.blocks.push_back({kBlock, k, 1, true, 0, 0});
    cycle.uses.push_back({k, Mode::ReadWrite});
  }
  return cycle;
}

const Link kLink{"", 50, 50, 100};
constexpr double kCopy = static_cast<double>(kBlock) / 50;  // ns

TEST(AVerdict, FindsNothingWhereEverythingFits) {
  const Verdict verdict = verdict_of(scan(1'000'000), kBlocks * kBlock, kLink, 40e6);
  EXPECT_EQ(verdict.fault, Fault::None);
  EXPECT_DOUBLE_EQ(verdict.bound, 1);
  EXPECT_DOUBLE_EQ(verdict.measured, 1);
  EXPECT_EQ(verdict.more_bytes, 0u);
  EXPECT_EQ(text_of(verdict, "it takes"),
            "this job at this budget can run as fast as in memory; it takes 1.00x");
}

// Half of it moves in each lap, in half of the time that a copy of all takes.
TEST(AVerdict, NamesTheLinkAndHowMuchMemoryWouldHelp) {
  const auto ns = static_cast<uint64_t>(kCopy / 4);
  const Verdict verdict = verdict_of(scan(ns), kBlocks * kBlock / 2, kLink, 0);
  EXPECT_EQ(verdict.fault, Fault::Link);
  EXPECT_NEAR(verdict.bound, 2, 0.1);  // the block in use takes room that another would have
  EXPECT_NEAR(verdict.with_more, 1.5, 0.05);
  // Half as much over it: an eighth of all more.
  EXPECT_NEAR(static_cast<double>(verdict.more_bytes), kBlocks * kBlock / 8.0,
              0.1 * kBlocks * kBlock);
  EXPECT_NE(text_of(verdict, "it takes").find("cannot run faster than 2.0"), std::string::npos);
  EXPECT_NE(text_of(verdict, "it takes").find("more would allow 1.5"), std::string::npos);
  EXPECT_EQ(text_of(verdict, "it takes").find("it takes"), std::string::npos);
}

// During a kernel that uses nothing, what follows it could come, but it finds no room: half of it
// must come while there is little to do beside.
TEST(AVerdict, NamesThePartOfAnIterationThatIsTooShort) {
  Cycle cycle = scan(100'000);
  cycle.ns.push_back(static_cast<uint64_t>(4 * kBlocks * kCopy));
  const Verdict verdict = verdict_of(cycle, kBlocks * kBlock / 2, kLink, 0);
  EXPECT_EQ(verdict.fault, Fault::Window);
  EXPECT_NEAR(verdict.bound, 1.1, 0.03);
  EXPECT_NE(text_of(verdict, "").find("some part of an iteration"), std::string::npos);
}

TEST(AVerdict, AsksForNoMoreMemoryThanHelps) {
  const Cycle cycle = scan(static_cast<uint64_t>(kCopy / 4));
  const uint64_t capacity = kBlocks * kBlock / 2;
  const Verdict verdict = verdict_of(cycle, capacity, kLink, 0);
  const auto bound = [&](uint64_t more) {
    const Bounds bounds = bounds_of(cycle, capacity + more, kLink);
    return static_cast<double>(bounds.lb2_ns) / static_cast<double>(bounds.lb0_ns);
  };
  const double halfway = 1 + (verdict.bound - 1) / 2;
  EXPECT_DOUBLE_EQ(bound(verdict.more_bytes), verdict.with_more);
  EXPECT_LE(verdict.with_more, halfway);
  EXPECT_GT(bound(verdict.more_bytes - (kBlocks * kBlock - capacity) / 100), halfway);
}

TEST(AVerdict, BlamesWhoeverMovedItWhenMuchMoreTimeWasTaken) {
  const Cycle cycle = scan(1'000'000);
  EXPECT_EQ(verdict_of(cycle, kBlocks * kBlock / 2, kLink, 200e6).fault, Fault::Prediction);
}

TEST(AVerdict, SaysWhenOneLaunchIsTooLarge) {
  const Verdict verdict = verdict_of(scan(1000), kBlock / 2, kLink, 0);
  EXPECT_EQ(verdict.fault, Fault::Capacity);
  EXPECT_EQ(verdict.more_bytes, kBlock / 2);
  EXPECT_GT(verdict.with_more, 1);
  EXPECT_NE(text_of(verdict, "").find("one launch alone"), std::string::npos);
  EXPECT_NE(text_of(verdict, "").find("; 32 MiB more would allow"), std::string::npos);
}

TEST(AVerdict, OfNothingIsNothing) {
  EXPECT_EQ(verdict_of({}, kBlock, kLink, 0).fault, Fault::None);
}

}  // namespace
}  // namespace spillway::policy
