// SPDX-License-Identifier: Apache-2.0
// Plans, of cycles that are made up at random and of those whose best is known.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "policy/cover.h"
#include "policy/follower.h"
#include "policy/plan.h"

namespace spillway::policy {
namespace {

constexpr uint64_t kMiB = 1 << 20;

TEST(RangeMax, IsWhatAnArraySays) {
  std::mt19937_64 random(1);
  for (const size_t n : {1u, 2u, 3u, 7u, 64u, 100u}) {
    std::vector<int64_t> plain(n);
    for (int64_t& value : plain) value = static_cast<int64_t>(random() % 100);
    RangeMax tree(plain);
    for (int i = 0; i < 500; i++) {
      size_t begin = random() % (n + 1), end = random() % (n + 1);
      if (begin > end) std::swap(begin, end);
      const int64_t value = static_cast<int64_t>(random() % 41) - 20;
      tree.add(begin, end, value);
      for (size_t k = begin; k < end; k++) plain[k] += value;
      begin = random() % n;
      end = begin + 1 + random() % (n - begin);
      const auto first = plain.begin() + static_cast<std::ptrdiff_t>(begin),
                 last = plain.begin() + static_cast<std::ptrdiff_t>(end);
      ASSERT_EQ(tree.most(begin, end), *std::max_element(first, last));
      const int64_t limit = static_cast<int64_t>(random() % 100);
      size_t found = n;
      for (size_t k = begin; k < end; k++)
        if (plain[k] > limit) found = k;
      ASSERT_EQ(tree.last_above(begin, end, limit, n), found);
    }
  }
}

Cycle made_up(unsigned seed) {
  std::mt19937 random(seed);
  Cycle cycle;
  const uint32_t n = 5 + random() % 60;
  for (uint32_t k = 0; k < n; k++) cycle.ns.push_back(10'000 + random() % 2'000'000);
  const uint32_t blocks = 3 + random() % 60;
  for (uint32_t b = 0; b < blocks; b++) {
    Block block;
    block.bytes = (1 + random() % 64) * kMiB;
    block.first = static_cast<uint32_t>(cycle.uses.size());
    block.lasting = random() % 3;
    std::vector<uint32_t> kernels;
    if (block.lasting) {
      for (uint32_t k = 0; k < n; k++)
        if (random() % n < 3) kernels.push_back(k);
    } else {
      block.born = random() % n;
      block.dies = block.born + 1 + random() % n;
      for (uint32_t k = block.born; k < block.dies; k++)
        if (k == block.born || random() % 6 == 0) kernels.push_back(k % n);
    }
    for (const uint32_t k : kernels) cycle.uses.push_back({k, static_cast<Mode>(random() % 3)});
    block.count = static_cast<uint32_t>(cycle.uses.size()) - block.first;
    cycle.blocks.push_back(block);
  }
  return cycle;
}

// A cyclic scan: each kernel uses a block of its own.
Cycle scan(uint32_t n, uint64_t ns) {
  Cycle cycle;
  for (uint32_t k = 0; k < n; k++) {
    cycle.ns.push_back(ns);
    cycle.blocks.push_back({64 * kMiB, k, 1, true, 0, 0});
    cycle.uses.push_back({k, Mode::ReadWrite});
  }
  return cycle;
}

std::vector<int64_t> without(const Gaps& gaps, const std::vector<char>& chosen) {
  std::vector<int64_t> left(gaps.occupied().begin(), gaps.occupied().end());
  const size_t n = left.size();
  for (size_t g = 0; g < chosen.size(); g++)
    if (chosen[g])
      for (uint32_t k = gaps.all()[g].after + 1; k < gaps.all()[g].due; k++)
        left[k % n] -= static_cast<int64_t>(gaps.bytes(gaps.all()[g]));
  return left;
}

TEST(ACover, MakesEveryKernelFitAndChoosesNothingInVain) {
  int covered = 0;
  for (unsigned seed = 0; seed < 400; seed++) {
    const Cycle cycle = made_up(seed);
    const Gaps gaps(cycle);
    const auto peak = static_cast<uint64_t>(std::ranges::max(gaps.occupied()));
    for (const double horizon : {1.0, 0.5, 0.0}) {
      for (const bool all_round : {false, true}) {
        CoverRule rule;
        rule.horizon = horizon;
        rule.all_round = all_round;
        const uint64_t capacity = std::max(peak * 2 / 3, gaps.widest());
        const std::vector<char> chosen = cover(gaps, capacity, rule);
        if (chosen.empty()) continue;
        covered++;
        const auto left = without(gaps, chosen);
        ASSERT_LE(std::ranges::max(left), static_cast<int64_t>(capacity)) << "seed " << seed;
        for (size_t g = 0; g < chosen.size(); g++) {
          if (!chosen[g]) continue;
          std::vector<char> fewer = chosen;
          fewer[g] = 0;
          ASSERT_GT(std::ranges::max(without(gaps, fewer)), static_cast<int64_t>(capacity))
              << "seed " << seed << ": gap " << g << " is chosen in vain";
        }
      }
    }
  }
  EXPECT_GT(covered, 1000);
}

TEST(ACover, OfWhatCannotFitIsNone) {
  const Cycle cycle = scan(10, 1000);
  const Gaps gaps(cycle);
  EXPECT_TRUE(cover(gaps, 63 * kMiB, {}).empty());
  EXPECT_FALSE(cover(gaps, 64 * kMiB, {}).empty());
}

PlanTerms terms(uint64_t capacity) {
  PlanTerms terms;
  terms.capacity = capacity;
  terms.link = *find_link("h200-pcie5");
  return terms;
}

TEST(APlan, OfWhatFitsMovesNothing) {
  const Plan plan = make_plan(scan(10, 1000), terms(640 * kMiB));
  EXPECT_TRUE(plan.absences.empty());
  EXPECT_TRUE(plan.feasible);
  EXPECT_EQ(plan.lap_ns, 10'000u);
  EXPECT_TRUE(make_plan({}, terms(kMiB)).absences.empty());
}

TEST(APlan, OfOneKernelThatIsTooLargeIsNone) {
  const Plan plan = make_plan(scan(10, 1000), terms(63 * kMiB));
  EXPECT_FALSE(plan.feasible);
  EXPECT_TRUE(plan.absences.empty());
}

TEST(APlan, IsAwayOnlyBetweenUsesAndNeverTakesMoreThanThereIs) {
  int planned = 0;
  for (unsigned seed = 0; seed < 300; seed++) {
    const Cycle cycle = made_up(seed);
    const Gaps gaps(cycle);
    const auto n = static_cast<uint32_t>(cycle.kernels());
    const auto peak = static_cast<uint64_t>(std::ranges::max(gaps.occupied()));
    const uint64_t capacity = std::max(peak * 3 / 4, gaps.widest());
    const Plan plan = make_plan(cycle, terms(capacity));
    if (plan.absences.empty()) continue;
    planned++;
    std::vector<int64_t> there(gaps.occupied().begin(), gaps.occupied().end());
    uint64_t in = 0, out = 0;
    for (const Absence& absence : plan.absences) {
      const Block& block = cycle.blocks[absence.block];
      ASSERT_LT(absence.after, n);
      ASSERT_GT(absence.from, absence.after);
      ASSERT_LE(absence.from, absence.due);
      ASSERT_LE(absence.due, absence.after + n);
      for (const BlockUse& use : cycle.uses_of(block))
        for (const uint32_t k : {use.kernel, use.kernel + n}) {
          ASSERT_FALSE(absence.after < k && k < absence.due) << "seed " << seed;
        }
      for (uint32_t k = absence.after + 1; k < absence.from; k++)
        there[k % n] -= static_cast<int64_t>(block.bytes);
      in += block.bytes;
      if (absence.dirty) out += block.bytes;
    }
    ASSERT_LE(std::ranges::max(there), static_cast<int64_t>(capacity)) << "seed " << seed;
    ASSERT_EQ(in, plan.in_bytes);
    ASSERT_EQ(out, plan.out_bytes);
    ASSERT_TRUE(std::ranges::is_sorted(plan.absences, {}, &Absence::after));
    ASSERT_TRUE(std::ranges::is_sorted(plan.returns, {},
                                       [&](uint32_t a) { return plan.absences[a].due % n; }));
  }
  EXPECT_GT(planned, 200);
}

TEST(APlan, IsTheSameForTheSame) {
  for (unsigned seed = 0; seed < 20; seed++) {
    const Cycle cycle = made_up(seed);
    const auto peak = static_cast<uint64_t>(std::ranges::max(Gaps(cycle).occupied()));
    const Plan one = make_plan(cycle, terms(peak * 3 / 4)),
               other = make_plan(cycle, terms(peak * 3 / 4));
    EXPECT_EQ(one.lap_ns, other.lap_ns);
    EXPECT_EQ(one.returns, other.returns);
  }
}

// Of a scan at twice the capacity, half stays; what comes and goes is spread so that kernels hide
// it as long as they can.
TEST(APlan, OfAScanMovesLittleMoreThanItMustAndHidesIt) {
  const uint64_t all = 400 * 64 * kMiB;
  const Plan slow = make_plan(scan(400, 2'000'000), terms(all / 2));
  EXPECT_LT(static_cast<double>(slow.in_bytes), 1.03 * static_cast<double>(all / 2));
  EXPECT_LT(slow.lap_ns, 801'000'000u);
  const Plan fast = make_plan(scan(400, 500'000), terms(all / 2));
  EXPECT_LT(static_cast<double>(fast.in_bytes), 1.03 * static_cast<double>(all / 2));
  // 100 GB/s carry both ways together.
  EXPECT_LT(static_cast<double>(fast.lap_ns), 1.12 * 2 * static_cast<double>(all / 2) / 100);
}

TEST(APlan, DoesNotCopyBackWhatWasOnlyRead) {
  Cycle cycle = scan(100, 1'000'000);
  for (BlockUse& use : cycle.uses) use.mode = Mode::Read;
  const Plan plan = make_plan(cycle, terms(50 * 64 * kMiB));
  EXPECT_GT(plan.in_bytes, 0u);
  EXPECT_EQ(plan.out_bytes, 0u);
}

TEST(AFollower, HasEachAbsenceOnceInALap) {
  for (unsigned seed = 0; seed < 100; seed++) {
    Loop loop;
    loop.cycle = made_up(seed);
    const Cycle cycle = loop.cycle;
    const auto peak = static_cast<uint64_t>(std::ranges::max(Gaps(cycle).occupied()));
    const Plan plan = make_plan(cycle, terms(peak * 3 / 4));
    if (plan.absences.empty()) continue;
    Follower follower(loop, plan);
    const auto n = static_cast<uint32_t>(cycle.kernels());
    std::vector<uint32_t> left, came, due;
    for (uint32_t lap = 0; lap < 4; lap++) {
      for (uint32_t k = 0; k < n; k++) {
        EXPECT_EQ(follower.come_to(k), lap == 0 && k == 0);
        const auto leaving = follower.take_leaving();
        if (lap == 0) continue;
        left.insert(left.end(), leaving.begin(), leaving.end());
        while (follower.next_return() != Follower::kNone) {
          came.push_back(follower.next_return());
          follower.skip_return();
        }
      }
    }
    EXPECT_EQ(left.size(), 3 * plan.absences.size()) << "seed " << seed;
    for (const uint32_t a : plan.returns) due.push_back(plan.absences[a].block);
    for (size_t i = 0; i + due.size() <= came.size(); i += due.size()) {
      std::vector<uint32_t> lap(came.begin() + static_cast<std::ptrdiff_t>(i),
                                came.begin() + static_cast<std::ptrdiff_t>(i + due.size()));
      std::vector<uint32_t> one = lap, other = due;
      std::ranges::sort(one);
      std::ranges::sort(other);
      EXPECT_EQ(one, other) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace spillway::policy
