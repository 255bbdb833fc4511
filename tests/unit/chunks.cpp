// SPDX-License-Identifier: Apache-2.0
// The pool of device chunks against a device that counts.
#include "runtime/chunks.h"

#include <gtest/gtest.h>

#include <numeric>

namespace spillway {
namespace {

constexpr uint64_t kMiB = 1 << 20;

struct FakeDevice {
  uint64_t capacity = 1024 * kMiB, used = 0;
  int creates = 0;
  std::map<CUmemGenericAllocationHandle, uint64_t> sizes;
} device;

CUresult create(CUmemGenericAllocationHandle* out, size_t bytes, const CUmemAllocationProp*,
                unsigned long long) {
  if (device.used + bytes > device.capacity) return CUDA_ERROR_OUT_OF_MEMORY;
  device.used += bytes;
  *out = ++device.creates;
  device.sizes[*out] = bytes;
  return CUDA_SUCCESS;
}
CUresult release(CUmemGenericAllocationHandle handle) {
  device.used -= device.sizes.at(handle);
  device.sizes.erase(handle);
  return CUDA_SUCCESS;
}

struct Chunks : testing::Test {
  Chunks() {
    device = {};
    driver.cuMemCreate = create;
    driver.cuMemRelease = release;
  }
  static uint64_t sum(const std::vector<Chunk>& chunks) {
    return std::accumulate(chunks.begin(), chunks.end(), uint64_t{0},
                           [](uint64_t all, const Chunk& chunk) { return all + chunk.bytes; });
  }
  Driver driver;
  ChunkPool pool{driver, 0, 32 * kMiB};
};

TEST_F(Chunks, CoverAPieceExactlyWithFewHandles) {
  std::vector<Chunk> piece;
  ASSERT_TRUE(pool.take(62 * kMiB, 1024 * kMiB, &piece));
  EXPECT_EQ(sum(piece), 62 * kMiB);
  EXPECT_EQ(piece.size(), 5u);  // 32 + 16 + 8 + 4 + 2
}

TEST_F(Chunks, SteadyTrafficCreatesNothing) {
  std::vector<Chunk> piece;
  ASSERT_TRUE(pool.take(48 * kMiB, 1024 * kMiB, &piece));
  pool.give(piece);
  const int before = device.creates;
  for (int i = 0; i < 100; i++) {
    ASSERT_TRUE(pool.take(48 * kMiB, 1024 * kMiB, &piece));
    pool.give(piece);
  }
  EXPECT_EQ(device.creates, before);
}

TEST_F(Chunks, ManySmallIdleOnesServeALargePiece) {
  std::vector<Chunk> small[16], large;
  for (auto& each : small) ASSERT_TRUE(pool.take(2 * kMiB, 1024 * kMiB, &each));
  for (auto& each : small) pool.give(each);
  ASSERT_TRUE(pool.take(32 * kMiB, 32 * kMiB, &large));
  EXPECT_EQ(sum(large), 32 * kMiB);
}

TEST_F(Chunks, AnIdleOneThatIsTooLargeMakesRoomWithinTheBudget) {
  std::vector<Chunk> large, small;
  ASSERT_TRUE(pool.take(32 * kMiB, 32 * kMiB, &large));
  pool.give(large);
  ASSERT_TRUE(pool.take(2 * kMiB, 32 * kMiB, &small));
  EXPECT_EQ(sum(small), 2 * kMiB);
  EXPECT_LE(pool.held(), 32 * kMiB);
}

TEST_F(Chunks, TheBudgetHoldsAndARefusalTakesNothing) {
  std::vector<Chunk> first, second;
  ASSERT_TRUE(pool.take(24 * kMiB, 32 * kMiB, &first));
  EXPECT_FALSE(pool.take(16 * kMiB, 32 * kMiB, &second));
  EXPECT_TRUE(second.empty());
  EXPECT_LE(pool.held(), 32 * kMiB);
  pool.give(first);
  EXPECT_TRUE(pool.take(16 * kMiB, 32 * kMiB, &second));
}

TEST_F(Chunks, ADeviceSmallerThanTheBudgetIsUsedUpAndNotAskedForMore) {
  device.capacity = 20 * kMiB;
  std::vector<Chunk> first, second, third;
  ASSERT_TRUE(pool.take(16 * kMiB, 1024 * kMiB, &first));
  EXPECT_FALSE(pool.take(8 * kMiB, 1024 * kMiB, &second));
  pool.give(first);
  ASSERT_TRUE(pool.take(6 * kMiB, 1024 * kMiB, &third));  // the idle 16 MiB must go for it
  EXPECT_EQ(sum(third), 6 * kMiB);
}

TEST_F(Chunks, TrimGivesIdleMemoryBackToTheDriver) {
  std::vector<Chunk> kept, idle;
  ASSERT_TRUE(pool.take(8 * kMiB, 1024 * kMiB, &kept));
  ASSERT_TRUE(pool.take(32 * kMiB, 1024 * kMiB, &idle));
  pool.give(idle);
  pool.trim(0);
  EXPECT_EQ(device.used, 8 * kMiB);
  EXPECT_EQ(pool.held(), 8 * kMiB);
  EXPECT_EQ(pool.idle(), 0u);
}

}  // namespace
}  // namespace spillway
