// SPDX-License-Identifier: Apache-2.0
// More memory than the budget: the bytes are right, whatever leaves and comes back.
#include "tests/integration/world.h"

using namespace integration;

namespace {

// 24 MiB of buffers in the stories, a budget of 12, and a device that really has no more than that.
World small_device() {
  return World().device(16_MiB).budget(12_MiB);
}

class Pressure : public testing::TestWithParam<const char*> {};

TEST_P(Pressure, leaves_every_byte_as_it_was_with_mapping_in_place) {
  // Copies reach what is away without bringing it back, so there need not be a fetch.
  small_device().tells_the_same("pressure", GetParam(), pushed_out);
}

TEST_P(Pressure, leaves_every_byte_as_it_was_with_copies_only) {
  small_device().copy_only().tells_the_same("pressure", GetParam(), moved);
}

TEST_P(Pressure, leaves_every_byte_as_it_was_under_each_other_policy) {
  small_device()
      .with("SPILLWAY_POLICY", "clock")
      .tells_the_same("pressure", GetParam(), pushed_out);
}

INSTANTIATE_TEST_SUITE_P(under, Pressure,
                         testing::Values("rounds", "rounds_without_waiting",
                                         "tensors_that_come_and_go", "streams_share_a_range",
                                         "streams_write_halves_of_a_range", "threads_share_a_range",
                                         "an_address_hidden_in_device_memory",
                                         "copies_and_sets_of_what_is_away"),
                         [](const auto& info) { return std::string(info.param); });

class Graphs : public testing::TestWithParam<const char*> {};

TEST_P(Graphs, find_their_buffers_in_place_under_pressure) {
  small_device().tells_the_same("graphs", GetParam(), pushed_out);
}

TEST_P(Graphs, find_their_buffers_by_copies_under_pressure) {
  World().device(24_MiB).budget(16_MiB).copy_only().tells_the_same("graphs", GetParam(), moved);
}

INSTANTIATE_TEST_SUITE_P(under, Graphs,
                         testing::Values("captured_and_replayed", "copy_and_set_nodes",
                                         "updated_to_other_buffers", "destroyed_in_flight"),
                         [](const auto& info) { return std::string(info.param); });

TEST(a_launch_wider_than_the_budget, runs_in_place) {
  small_device().ends_well("pressure", "one_launch_wider_than_the_budget", [](const Seen& seen) {
    EXPECT_EQ(seen.finished.out, "wide launch: CUDA_SUCCESS\n");
    EXPECT_GT(seen.count("in_place_launches"), 0u);
  });
}

TEST(a_launch_wider_than_the_budget, is_honestly_out_of_memory_where_only_copies_are_possible) {
  small_device().copy_only().ends_well(
      "pressure", "one_launch_wider_than_the_budget", [](const Seen& seen) {
        EXPECT_EQ(seen.finished.out, "wide launch: CUDA_ERROR_OUT_OF_MEMORY\n");
      });
}

TEST(a_launch_wider_than_the_budget, runs_when_the_budget_is_as_wide) {
  World().device(64_MiB).budget(40_MiB).ends_well(
      "pressure", "one_launch_wider_than_the_budget", [](const Seen& seen) {
        EXPECT_EQ(seen.finished.out, "wide launch: CUDA_SUCCESS\n");
        did_not_move(seen);
      });
}

TEST(the_device_limit, holds) {
  World().budget(12_MiB).ends_well("pressure", "rounds", [](const Seen& seen) {
    moved(seen);
    EXPECT_LE(seen.count("device_held"), 12_MiB);
  });
}

TEST(the_device_limit, may_be_a_share_of_the_device) {
  // A quarter of 48 MiB.
  World()
      .device(48_MiB)
      .with("SPILLWAY_DEVICE_LIMIT", "25%")
      .tells_the_same("pressure", "rounds", [](const Seen& seen) {
        moved(seen);
        EXPECT_EQ(seen.count("device_limit"), 12_MiB);
      });
}

TEST(with_memory_enough, nothing_moves) {
  World().tells_the_same("pressure", "rounds", [](const Seen& seen) {
    did_not_move(seen);
    EXPECT_EQ(seen.count("allocations"), 6u);
    EXPECT_EQ(seen.count("frees"), 6u);
    EXPECT_EQ(seen.count("launches"), 30u);
    said_nothing(seen);
  });
}

}  // namespace
