// SPDX-License-Identifier: Apache-2.0
// What is said of a job: of cycles whose bound is known in closed form.
#include <gtest/gtest.h>

#include "policy/verdict.h"

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

TEST(AVerdict, BlamesWhoeverMovedItWhenMuchMoreTimeWasTaken) {
  const Cycle cycle = scan(1'000'000);
  EXPECT_EQ(verdict_of(cycle, kBlocks * kBlock / 2, kLink, 200e6).fault, Fault::Prediction);
}

TEST(AVerdict, SaysWhenOneLaunchIsTooLarge) {
  const Verdict verdict = verdict_of(scan(1000), kBlock / 2, kLink, 0);
  EXPECT_EQ(verdict.fault, Fault::Capacity);
  EXPECT_NE(text_of(verdict, "").find("one launch alone"), std::string::npos);
}

TEST(AVerdict, OfNothingIsNothing) {
  EXPECT_EQ(verdict_of({}, kBlock, kLink, 0).fault, Fault::None);
}

}  // namespace
}  // namespace spillway::policy
