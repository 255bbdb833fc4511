// SPDX-License-Identifier: Apache-2.0
// What each policy in particular promises.
#include <gtest/gtest.h>

#include "policy/policy.h"

namespace spillway::policy {
namespace {

struct Device {
  explicit Device(std::string_view policy_name) : policy(find_policy(policy_name)->make()) {}

  void use(uint32_t id) {
    for (PieceView& piece : pieces) {
      if (piece.id == id) {
        piece.last_use = ++uses;
        return;
      }
    }
    pieces.push_back({id, 1, ++uses});
  }
  std::vector<uint32_t> order() {
    policy->rank(pieces);
    std::vector<uint32_t> ids;
    for (const PieceView& piece : pieces) ids.push_back(piece.id);
    return ids;
  }
  uint32_t evict() {
    policy->rank(pieces);
    const uint32_t id = pieces.front().id;
    pieces.erase(pieces.begin());
    return id;
  }
  void free(uint32_t id) {
    policy->forget(id);
    std::erase_if(pieces, [id](const PieceView& piece) { return piece.id == id; });
  }

  std::unique_ptr<Policy> policy;
  std::vector<PieceView> pieces;
  uint64_t uses = 0;
};

using Ids = std::vector<uint32_t>;

TEST(Lru, TheOneUsedLongestAgoLeavesFirst) {
  Device device("lru");
  for (uint32_t id : {1, 2, 3}) device.use(id);
  device.use(1);
  EXPECT_EQ(device.order(), (Ids{2, 3, 1}));
}

TEST(Lru, BreaksTiesById) {
  Device device("lru");
  device.pieces = {{9, 1, 5}, {3, 1, 5}, {6, 1, 5}};
  EXPECT_EQ(device.order(), (Ids{3, 6, 9}));
}

TEST(Clock, WithoutAnyUseItIsFirstInFirstOut) {
  Device device("clock");
  for (uint32_t id : {1, 2, 3, 4}) device.use(id);
  EXPECT_EQ(device.evict(), 1u);
  EXPECT_EQ(device.evict(), 2u);
  EXPECT_EQ(device.evict(), 3u);
}

TEST(Clock, APieceUsedSinceTheHandPassedIsPassedOverOnce) {
  Device device("clock");
  for (uint32_t id : {1, 2, 3}) device.use(id);
  EXPECT_EQ(device.evict(), 1u);  // all were new: the hand went round once
  device.use(2);
  EXPECT_EQ(device.evict(), 3u);
  device.use(4);
  EXPECT_EQ(device.evict(), 2u) << "its second chance is spent, and 4 is new";
}

TEST(Clock, OneUseProtectsAsMuchAsManyUnlikeRecency) {
  Device device("clock");
  for (uint32_t id : {1, 2, 3}) device.use(id);
  EXPECT_EQ(device.evict(), 1u);
  device.use(3);
  device.use(2);  // later than 3, yet 2 stands before 3 in the ring
  device.use(5);
  EXPECT_EQ(device.order(), (Ids{2, 3, 5}));
}

TEST(Clock, TheHandStandsStillWhileNothingLeaves) {
  Device device("clock");
  for (uint32_t id : {1, 2, 3}) device.use(id);
  EXPECT_EQ(device.order(), (Ids{1, 2, 3}));
  EXPECT_EQ(device.order(), (Ids{1, 2, 3}));
  device.use(1);
  EXPECT_EQ(device.order(), (Ids{1, 2, 3})) << "a question is not a sweep: no chance was spent";
}

TEST(Clock, AHiddenPieceKeepsItsPlace) {
  Device device("clock");
  for (uint32_t id : {1, 2, 3, 4}) device.use(id);
  EXPECT_EQ(device.evict(), 1u);
  const PieceView hidden = device.pieces.back();  // 4 is pinned for a while
  device.pieces.pop_back();
  EXPECT_EQ(device.evict(), 2u);
  device.pieces.push_back(hidden);
  device.use(3);
  EXPECT_EQ(device.evict(), 4u);
}

TEST(Clock, AFreedPieceIsNotTakenForOneThatLeft) {
  Device device("clock");
  for (uint32_t id : {1, 2, 3}) device.use(id);
  EXPECT_EQ(device.order(), (Ids{1, 2, 3}));
  device.free(1);
  EXPECT_EQ(device.order(), (Ids{2, 3}));
  device.use(2);
  EXPECT_EQ(device.order(), (Ids{2, 3})) << "no chance was spent by a free";
}

TEST(Clock, AnIdGivenOutAgainIsANewPiece) {
  Device device("clock");
  for (uint32_t id : {1, 2, 3}) device.use(id);
  EXPECT_EQ(device.evict(), 1u);
  device.free(2);
  device.use(2);
  EXPECT_EQ(device.evict(), 3u) << "2 is new and stands behind the hand";
}

}  // namespace
}  // namespace spillway::policy
