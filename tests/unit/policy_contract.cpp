// SPDX-License-Identifier: Apache-2.0
// What every policy owes the engine, asked of every row of the table.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "policy/policy.h"

namespace spillway::policy {

void PrintTo(const PolicyEntry& entry, std::ostream* out) {
  *out << entry.name;
}

namespace {

std::vector<uint32_t> ids(const std::vector<PieceView>& pieces) {
  std::vector<uint32_t> out;
  for (const PieceView& piece : pieces) out.push_back(piece.id);
  return out;
}

std::vector<uint32_t> ranked(Policy& policy, std::vector<PieceView> resident) {
  policy.rank(resident);
  return ids(resident);
}

class EveryPolicy : public testing::TestWithParam<PolicyEntry> {
 protected:
  std::unique_ptr<Policy> policy = GetParam().make();
};

TEST_P(EveryPolicy, SurvivesAnEmptyList) {
  EXPECT_TRUE(ranked(*policy, {}).empty());
  EXPECT_EQ(ranked(*policy, {{7, 1, 1}}), std::vector<uint32_t>{7});
  EXPECT_TRUE(ranked(*policy, {}).empty());
}

TEST_P(EveryPolicy, ForgetsWhatItNeverSaw) {
  policy->forget(12345);
  EXPECT_EQ(ranked(*policy, {{1, 1, 1}}), std::vector<uint32_t>{1});
}

// A made-up life of an engine: pieces come, are used, are evicted from the front of the ranking,
// come back, are hidden for a while, are freed, and their ids are given out again.
struct Life {
  std::mt19937 random;
  uint64_t uses = 0;
  std::vector<PieceView> device;
  std::vector<uint32_t> away;
  uint32_t next_id = 0;

  explicit Life(unsigned seed) : random(seed) {}

  std::vector<uint32_t> step(Policy& policy) {
    for (int i = 0; i < 4; ++i) {
      if (!away.empty() && random() % 2) {
        device.push_back({away.back(), 1 + random() % 100, ++uses});
        away.pop_back();
      } else {
        device.push_back({next_id++, 1 + random() % 100, ++uses});
      }
    }
    for (PieceView& piece : device) {
      if (random() % 3 == 0) piece.last_use = ++uses;
    }
    if (random() % 4 == 0) {
      const size_t victim = random() % device.size();
      policy.forget(device[victim].id);
      away.push_back(device[victim].id);  // the id lives on in a new piece
      device.erase(device.begin() + static_cast<long>(victim));
    }
    std::vector<PieceView> shown, hidden;
    for (const PieceView& piece : device) (random() % 8 ? shown : hidden).push_back(piece);
    std::vector<PieceView> answer = shown;
    policy.rank(answer);
    check_same(shown, answer);
    const size_t leaving = std::min<size_t>(answer.size(), random() % 5);
    for (size_t i = 0; i < leaving; ++i) away.push_back(answer[i].id);
    device.assign(answer.begin() + static_cast<long>(leaving), answer.end());
    device.insert(device.end(), hidden.begin(), hidden.end());
    return ids(answer);
  }

  static void check_same(const std::vector<PieceView>& before,
                         const std::vector<PieceView>& after) {
    const auto key = [](const PieceView& piece) {
      return std::tuple(piece.id, piece.bytes, piece.last_use);
    };
    std::multiset<std::tuple<uint32_t, uint64_t, uint64_t>> left, right;
    for (const PieceView& piece : before) left.insert(key(piece));
    for (const PieceView& piece : after) right.insert(key(piece));
    ASSERT_EQ(left, right) << "a ranking must hold exactly the pieces it was shown, unchanged";
  }
};

TEST_P(EveryPolicy, KeepsEveryPieceThroughALongLife) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    const auto fresh = GetParam().make();
    Life life(seed);
    for (int i = 0; i < 300 && !HasFatalFailure(); ++i) life.step(*fresh);
  }
}

TEST_P(EveryPolicy, GivesEqualAnswersToEqualHistories) {
  const auto one = GetParam().make();
  const auto other = GetParam().make();
  Life left(1), right(1);
  for (int i = 0; i < 300; ++i) ASSERT_EQ(left.step(*one), right.step(*other)) << "step " << i;
}

TEST_P(EveryPolicy, DoesNotCareInWhichOrderItIsShownThePieces) {
  const auto one = GetParam().make();
  const auto other = GetParam().make();
  std::vector<PieceView> pieces;
  for (uint32_t id = 0; id < 50; ++id) pieces.push_back({id, 1, id / 5});
  std::mt19937 random(7);
  for (int i = 0; i < 10; ++i) {
    std::vector<PieceView> shuffled = pieces;
    std::ranges::shuffle(shuffled, random);
    ASSERT_EQ(ranked(*one, pieces), ranked(*other, shuffled));
    pieces.erase(pieces.begin() + 3);
    pieces[static_cast<size_t>(i)].last_use += 100;
  }
}

// In a loop over a hot set with cold data streaming by, a policy that knows recency keeps the hot
// set: far fewer misses on it than evicting at random would cost.
TEST_P(EveryPolicy, KeepsAHotSetWhileColdDataStreamsBy) {
  std::vector<PieceView> device;
  uint64_t uses = 0;
  int hot_misses = 0;
  const auto touch = [&](uint32_t id) {
    const auto found = std::ranges::find(device, id, &PieceView::id);
    if (found != device.end()) {
      found->last_use = ++uses;
      return true;
    }
    if (device.size() == 10) {
      policy->rank(device);
      device.erase(device.begin());
    }
    device.push_back({id, 1, ++uses});
    return false;
  };
  for (uint32_t cold = 0; cold < 200; ++cold) {
    for (uint32_t hot = 0; hot < 4; ++hot) hot_misses += touch(1000 + hot) ? 0 : 1;
    touch(cold);
  }
  EXPECT_LE(hot_misses, 8) << "of 800 uses; 4 are the first touches";
}

INSTANTIATE_TEST_SUITE_P(Policies, EveryPolicy,
                         testing::ValuesIn(policies().begin(), policies().end()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Policies, AreFoundByTheirNameAndOnlyByIt) {
  for (const PolicyEntry& entry : policies()) {
    ASSERT_NE(find_policy(entry.name), nullptr);
    EXPECT_EQ(find_policy(entry.name)->name, entry.name);
    EXPECT_FALSE(entry.doc.empty());
  }
  EXPECT_EQ(find_policy(""), nullptr);
  EXPECT_EQ(find_policy("LRU"), nullptr);
  EXPECT_EQ(find_policy("lru "), nullptr);
}

}  // namespace
}  // namespace spillway::policy
