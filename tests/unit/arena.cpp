// SPDX-License-Identifier: Apache-2.0
// The address book of ranges.
#include "runtime/arena.h"

#include <gtest/gtest.h>

#include <random>

#include "runtime/range.h"

namespace spillway {
namespace {

constexpr CUdeviceptr kBase = 0x10'0000'0000;
uint64_t granted_at_most;

CUresult reserve(CUdeviceptr* out, size_t bytes, size_t, CUdeviceptr, unsigned long long) {
  if (bytes > granted_at_most) return CUDA_ERROR_OUT_OF_MEMORY;
  *out = kBase;
  return CUDA_SUCCESS;
}

CUresult free_address(CUdeviceptr, size_t) {
  return CUDA_SUCCESS;
}

Driver fake() {
  Driver driver;
  driver.cuMemAddressFree = free_address;
  driver.cuMemAddressReserve = reserve;
  return driver;
}

struct ArenaTest : testing::Test {
  ArenaTest() {
    granted_at_most = uint64_t{1} << 30;
    EXPECT_EQ(arena.reserve(fake(), granted_at_most), CUDA_SUCCESS);
  }
  Arena arena;
};

TEST_F(ArenaTest, TakesHalfOfWhatADriverShortOfAddressesGrants) {
  Arena other;
  granted_at_most = uint64_t{5} << 30;
  ASSERT_EQ(other.reserve(fake(), uint64_t{16} << 30), CUDA_SUCCESS);
  EXPECT_EQ(other.size(), uint64_t{2} << 30);
}

TEST_F(ArenaTest, GivesTheDriversAnswerWhenNothingIsGranted) {
  Arena other;
  granted_at_most = 0;
  EXPECT_EQ(other.reserve(fake(), uint64_t{16} << 30), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_FALSE(other.contains(kBase));
  EXPECT_EQ(other.at(kBase), nullptr);
}

TEST_F(ArenaTest, FindsTheOwnerOfEveryAddressInside) {
  Range range;
  const CUdeviceptr at = arena.take(3 * kGranule);
  arena.own(at, 3 * kGranule, &range);
  EXPECT_EQ(arena.at(at), &range);
  EXPECT_EQ(arena.at(at + 3 * kGranule - 1), &range);
  EXPECT_EQ(arena.at(at + 3 * kGranule), nullptr);
  EXPECT_EQ(arena.at(kBase - 1), nullptr);
  EXPECT_EQ(arena.at(kBase + arena.size()), nullptr);
  EXPECT_EQ(arena.at(0), nullptr);
}

TEST_F(ArenaTest, NeighboursThatAreGivenBackBecomeOneHole) {
  std::vector<CUdeviceptr> taken;
  while (const CUdeviceptr at = arena.take(64 * kGranule)) taken.push_back(at);
  EXPECT_EQ(taken.size() * 64 * kGranule, arena.size());
  std::shuffle(taken.begin(), taken.end(), std::mt19937(7));
  for (const CUdeviceptr at : taken) arena.give(at, 64 * kGranule);
  EXPECT_EQ(arena.take(arena.size()), kBase);
}

TEST_F(ArenaTest, NeverHandsOutTheSameGranuleTwice) {
  std::mt19937 random(1);
  std::vector<std::pair<CUdeviceptr, uint64_t>> live;
  std::vector<bool> used(arena.size() / kGranule);
  for (int i = 0; i < 5000; i++) {
    if (live.empty() || random() % 2) {
      const uint64_t extent = (1 + random() % 40) * kGranule;
      const CUdeviceptr at = arena.take(extent);
      if (!at) continue;
      for (uint64_t g = 0; g < extent / kGranule; g++) {
        ASSERT_FALSE(used[(at - kBase) / kGranule + g]);
        used[(at - kBase) / kGranule + g] = true;
      }
      live.emplace_back(at, extent);
    } else {
      std::swap(live[random() % live.size()], live.back());
      const auto [at, extent] = live.back();
      live.pop_back();
      for (uint64_t g = 0; g < extent / kGranule; g++) used[(at - kBase) / kGranule + g] = false;
      arena.give(at, extent);
    }
  }
}

}  // namespace
}  // namespace spillway
