// SPDX-License-Identifier: Apache-2.0
// Bounds are never above what some schedule reaches, and not far below it.
#include "policy/bounds.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "exhaustive.h"

namespace spillway::policy {
namespace {

// A unit of an exhaustive search in bytes, and a step in nanoseconds: bounds are whole numbers.
constexpr uint64_t kUnit = 100'000;

struct Scene {
  Cycle cycle;

  uint32_t kernel(uint64_t ns) {
    cycle.ns.push_back(ns);
    return static_cast<uint32_t>(cycle.ns.size() - 1);
  }
  void lasting(uint64_t bytes, std::initializer_list<BlockUse> uses) {
    add({.bytes = bytes}, uses);
  }
  void passing(uint64_t bytes, uint32_t born, uint32_t dies, std::initializer_list<BlockUse> uses) {
    add({.bytes = bytes, .lasting = false, .born = born, .dies = dies}, uses);
  }
  void add(Block block, std::span<const BlockUse> uses) {
    block.first = static_cast<uint32_t>(cycle.uses.size());
    block.count = static_cast<uint32_t>(uses.size());
    cycle.uses.insert(cycle.uses.end(), uses.begin(), uses.end());
    cycle.blocks.push_back(block);
  }
  uint64_t largest_kernel() const {
    std::vector<uint64_t> bytes(cycle.kernels(), 0);
    for (const Block& block : cycle.blocks) {
      for (const BlockUse& use : cycle.uses_of(block)) bytes[use.kernel] += block.bytes;
    }
    return std::ranges::max(bytes);
  }
  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const Block& block : cycle.blocks) sum += block.bytes;
    return sum;
  }
  Cycle scaled(uint64_t factor) const {
    Cycle result = cycle;
    for (uint64_t& ns : result.ns) ns *= factor;
    for (Block& block : result.blocks) block.bytes *= factor;
    return result;
  }
};

// `ns` for each kernel; kernel i uses block i.
Scene scan(uint32_t blocks, uint64_t bytes, uint64_t ns, Mode mode) {
  Scene scene;
  for (uint32_t i = 0; i < blocks; ++i) scene.lasting(bytes, {{scene.kernel(ns), mode}});
  return scene;
}

// Forward writes an activation in each kernel, backward reads them from the last to the first.
Scene stack(uint32_t layers, uint64_t bytes, uint64_t forward_ns, uint64_t backward_ns) {
  Scene scene;
  for (uint32_t i = 0; i < layers; ++i) scene.kernel(forward_ns);
  for (uint32_t i = 0; i < layers; ++i) scene.kernel(backward_ns);
  for (uint32_t i = 0; i < layers; ++i) {
    const uint32_t back = 2 * layers - 1 - i;
    scene.passing(bytes, i, back + 1, {{i, Mode::Write}, {back, Mode::Read}});
  }
  return scene;
}

class Dice {
 public:
  explicit Dice(uint32_t seed) : engine_(seed) {}
  uint32_t between(uint32_t least, uint32_t most) {
    return least + static_cast<uint32_t>(engine_() % (most - least + 1));
  }
  Mode mode() { return static_cast<Mode>(between(0, 2)); }

 private:
  std::mt19937 engine_;
};

Scene random_scene(Dice& dice, uint32_t units) {
  Scene scene;
  const uint32_t kernels = dice.between(2, 5);
  for (uint32_t i = 0; i < kernels; ++i) scene.kernel(dice.between(1, 2));
  while (units > 0) {
    const uint32_t bytes = dice.between(1, std::min(3u, units));
    units -= bytes;
    Block block{.bytes = bytes};
    uint32_t end = kernels;
    if (dice.between(0, 1) == 0) {
      block.lasting = false;
      block.born = dice.between(0, kernels - 1);
      block.dies = end = block.born + dice.between(2, kernels);
    }
    std::vector<BlockUse> uses;
    for (uint32_t kernel = block.born; kernel < end; ++kernel) {
      if (dice.between(0, 2) == 0) uses.push_back({kernel % kernels, dice.mode()});
    }
    scene.add(block, uses);
  }
  return scene;
}

struct Comparison {
  Bounds bounds;
  double lap_ns = 0, in = 0, out = 0;  // the least, by trying all schedules
};

// Each unit and each step in so many parts.
Comparison compare(const Scene& scene, uint32_t capacity, UnitLink link, uint32_t parts) {
  const Link rates{"units", double(link.in), double(link.out), double(link.both)};
  Comparison result{bounds_of(scene.scaled(kUnit), capacity * kUnit, rates)};
  const Cycle divided = scene.scaled(parts);
  const Exhaustive best(divided, capacity * parts, link);
  const double part = static_cast<double>(kUnit) / parts;
  result.lap_ns = best.steps_per_lap() * part;
  result.in = best.in_per_lap() * part;
  result.out = best.out_per_lap() * part;
  return result;
}

UnitLink random_link(Dice& dice) {
  UnitLink link{.in = dice.between(1, 2), .out = dice.between(1, 2)};
  link.both = dice.between(std::max(link.in, link.out), link.in + link.out);
  return link;
}

// At most `part` of the truth below it, and never above.
void expect_just_below(uint64_t bound, double truth, double part) {
  EXPECT_LE(static_cast<double>(bound), truth + 1);
  EXPECT_GE(static_cast<double>(bound), truth * (1 - part) - 1);
}

TEST(Bounds, NoScheduleOfATinyCycleIsBelowThem) {
  uint32_t beyond_the_kernels = 0;
  for (uint32_t seed = 0; seed < 600; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice(seed);
    const Scene scene = random_scene(dice, 6);
    const auto least = static_cast<uint32_t>(std::max<uint64_t>(scene.largest_kernel(), 1));
    const uint32_t capacity = dice.between(least, std::max(least, 4u));
    const auto [bounds, lap_ns, in, out] = compare(scene, capacity, random_link(dice), 1);
    EXPECT_TRUE(bounds.feasible);
    EXPECT_LE(bounds.lb0_ns, bounds.lb1_ns);
    EXPECT_LE(bounds.lb1_ns, bounds.lb2_ns);
    EXPECT_LE(bounds.lb2_ns, lap_ns + 1);
    EXPECT_LE(bounds.in_bytes, in + 1);
    EXPECT_LE(bounds.out_bytes, out + 1);
    if (bounds.lb2_ns > bounds.lb0_ns) ++beyond_the_kernels;
  }
  EXPECT_GT(beyond_the_kernels, 100u) << "cycles that say something";
}

// Schedules of whole units in whole steps are worse than those of divisible data. With parts a
// third as large, a third is left of what they lose: the bound is where they come in the end.
TEST(Bounds, FinerSchedulesComeNearThem) {
  uint32_t beyond_the_kernels = 0;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice(seed);
    const Scene scene = random_scene(dice, 4);
    const auto capacity = static_cast<uint32_t>(scene.largest_kernel());
    const UnitLink link = random_link(dice);
    if (capacity == 0) continue;
    const Comparison coarse = compare(scene, capacity, link, 1);
    const Comparison fine = compare(scene, capacity, link, 3);
    const auto bound = static_cast<double>(coarse.bounds.lb2_ns);
    EXPECT_LE(bound, fine.lap_ns + 1);
    EXPECT_LE(fine.lap_ns - bound, (coarse.lap_ns - bound) / 3 + 0.001 * bound);
    expect_just_below(coarse.bounds.in_bytes, fine.in, 0.001);
    expect_just_below(coarse.bounds.out_bytes, fine.out, 0.001);
    if (coarse.bounds.lb2_ns > coarse.bounds.lb0_ns) ++beyond_the_kernels;
  }
  EXPECT_GT(beyond_the_kernels, 25u) << "cycles that say something";
}

constexpr Link kDuplex{"duplex", 50, 50, 100}, kShared{"shared", 50, 50, 50};

// All but the block in use take an equal part of the room that it leaves.
double scan_bytes(uint32_t blocks, double bytes, double capacity) {
  return blocks * (blocks * bytes - capacity) / (blocks - 1);
}

TEST(Bounds, AJobThatFitsMovesNothing) {
  const Scene scene = stack(8, 1'000'000, 1000, 2000);
  const Bounds bounds = bounds_of(scene.cycle, scene.bytes(), kDuplex);
  EXPECT_EQ(bounds.lb0_ns, 24'000u);
  EXPECT_EQ(bounds.lb2_ns, bounds.lb0_ns);
  EXPECT_EQ(bounds.in_bytes + bounds.out_bytes, 0u);
  EXPECT_TRUE(bounds.feasible);
}

TEST(Bounds, MemoryThatLivesAtOtherTimesIsTheSameMemory) {
  Scene scene;
  for (int i = 0; i < 4; ++i) scene.kernel(1000);
  scene.passing(1'000'000, 0, 2, {{0, Mode::Write}, {1, Mode::Read}});
  scene.passing(1'000'000, 2, 4, {{2, Mode::Write}, {3, Mode::Read}});
  const Bounds bounds = bounds_of(scene.cycle, 1'000'000, kDuplex);
  EXPECT_EQ(bounds.lb2_ns, bounds.lb0_ns);
  EXPECT_EQ(bounds.in_bytes + bounds.out_bytes, 0u);
}

TEST(Bounds, AKernelLargerThanTheDeviceIsNotFeasible) {
  const Scene scene = scan(2, 1'000'000, 1000, Mode::Read);
  EXPECT_FALSE(bounds_of(scene.cycle, 999'999, kDuplex).feasible);
  EXPECT_TRUE(bounds_of(scene.cycle, 1'000'000, kDuplex).feasible);
  EXPECT_EQ(bounds_of({}, 0, kDuplex).lb2_ns, 0u);
}

TEST(Bounds, AScanThatOnlyReadsBringsInWhatDoesNotFit) {
  const Scene scene = scan(16, 1'000'000, 1000, Mode::Read);
  const double bytes = scan_bytes(16, 1e6, 8e6);
  const Bounds bounds = bounds_of(scene.cycle, 8'000'000, kDuplex);
  expect_just_below(bounds.in_bytes, bytes, 0.001);
  EXPECT_EQ(bounds.out_bytes, 0u);
  expect_just_below(bounds.lb1_ns, bytes / 50, 0.001);
  EXPECT_GE(bounds.lb2_ns, bounds.lb1_ns);
}

TEST(Bounds, AScanThatWritesAlsoTakesOutWhatDoesNotFit) {
  const Scene scene = scan(16, 1'000'000, 1000, Mode::ReadWrite);
  const double bytes = scan_bytes(16, 1e6, 8e6);
  const Bounds duplex = bounds_of(scene.cycle, 8'000'000, kDuplex);
  const Bounds shared = bounds_of(scene.cycle, 8'000'000, kShared);
  expect_just_below(duplex.in_bytes, bytes, 0.001);
  expect_just_below(duplex.out_bytes, bytes, 0.001);
  expect_just_below(duplex.lb1_ns, bytes / 50, 0.001);
  expect_just_below(shared.lb1_ns, 2 * bytes / 50, 0.001);
}

TEST(Bounds, AScanThatOnlyWritesMovesNothing) {
  const Scene scene = scan(16, 1'000'000, 1000, Mode::Write);
  const Bounds bounds = bounds_of(scene.cycle, 1'000'000, kDuplex);
  EXPECT_EQ(bounds.in_bytes + bounds.out_bytes, 0u);
  EXPECT_EQ(bounds.lb2_ns, bounds.lb0_ns);
}

TEST(Bounds, CopiesBehindLongKernelsCostNoTime) {
  const Scene scene = scan(16, 1'000'000, 100'000, Mode::ReadWrite);
  const Bounds bounds = bounds_of(scene.cycle, 8'000'000, kDuplex);
  EXPECT_GT(bounds.in_bytes, 8'000'000u);
  EXPECT_EQ(bounds.lb2_ns, bounds.lb0_ns);
}

TEST(Bounds, ABlockMayGoOutWhileItIsRead) {
  constexpr uint64_t kDevice = 1'000'000;
  const auto bounds_with = [&](bool read_in_1, Mode in_kernel_2) {
    Scene scene;
    for (const uint64_t ns : {100, 100, 100'000, 100, 100, 100'000, 100}) scene.kernel(ns);
    std::vector<BlockUse> uses{
        {0, Mode::Write}, {2, in_kernel_2}, {3, Mode::Read}, {6, Mode::Read}};
    if (read_in_1) uses.insert(uses.begin() + 1, {1, Mode::Read});
    scene.add({.bytes = kDevice, .lasting = false, .born = 0, .dies = 7}, uses);
    scene.passing(kDevice, 4, 5, {{4, Mode::Write}});
    return bounds_of(scene.cycle, kDevice, kDuplex);
  };
  for (const bool read_in_1 : {false, true}) {
    // It goes out behind kernel 2 and comes in behind 5.
    EXPECT_EQ(bounds_with(read_in_1, Mode::Read).lb2_ns, 200'500u);
    expect_just_below(bounds_with(read_in_1, Mode::ReadWrite).lb2_ns, 220'400, 0.001);
  }
}

// What has no room between forward and backward must go out during the first and come in during
// the second: all of the lap's bytes over the rate is half of that.
TEST(Bounds, ForwardAndBackwardUseTheLinkOneWayEach) {
  for (const uint32_t layers : {16, 200, 3000}) {
    SCOPED_TRACE(layers);
    const Scene scene = stack(layers, 1'000'000, 1000, 2000);
    const double excess = layers * 1e6 / 2;
    const Bounds bounds = bounds_of(scene.cycle, layers * 500'000ul, kDuplex);
    expect_just_below(bounds.in_bytes, excess, 0.001);
    expect_just_below(bounds.out_bytes, excess, 0.001);
    // The first kernel of each half does not help, nor does the last: nothing is written before
    // the end of the first, and the last must have its block to start.
    expect_just_below(bounds.lb2_ns, 2 * 1000 + excess / 50 + 2 * 2000 + excess / 50, 0.001);
    EXPECT_LT(bounds.lb1_ns, bounds.lb2_ns * 0.51);
  }
}

TEST(Bounds, AWindowThatTheKernelsCoverDoesNotCount) {
  const Scene scene = stack(16, 1'000'000, 20'000, 1000);
  const double excess = 8e6;
  const Bounds bounds = bounds_of(scene.cycle, 8'000'000, kDuplex);
  expect_just_below(bounds.lb2_ns, 16 * 20'000 + excess / 50 + 2 * 1000, 0.001);
}

}  // namespace
}  // namespace spillway::policy
