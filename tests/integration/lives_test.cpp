// SPDX-License-Identifier: Apache-2.0
// Contexts, modules, streams and processes begin and end under the library as they do without it.
#include "tests/integration/world.h"

using namespace integration;

namespace {

class Lives : public testing::TestWithParam<const char*> {};

TEST_P(Lives, go_on_under_pressure) {
  World().device(16_MiB).budget(12_MiB).tells_the_same("lives", GetParam());
}

TEST_P(Lives, go_on_with_copies_only) {
  World().device(16_MiB).budget(12_MiB).copy_only().tells_the_same("lives", GetParam());
}

INSTANTIATE_TEST_SUITE_P(that, Lives,
                         testing::Values("contexts_come_and_go", "the_primary_context_is_reset",
                                         "the_primary_context_is_released", "two_contexts_at_once",
                                         "contexts_destroyed_in_flight",
                                         "contexts_come_and_go_beside_another",
                                         "modules_are_unloaded_and_loaded_again",
                                         "streams_are_destroyed_in_flight"),
                         [](const auto& info) { return std::string(info.param); });

class Processes : public testing::TestWithParam<const char*> {};

TEST_P(Processes, begin_and_end_under_pressure) {
  World().device(16_MiB).budget(12_MiB).tells_the_same("processes", GetParam());
}

TEST_P(Processes, begin_and_end_with_copies_only) {
  World().device(16_MiB).budget(12_MiB).copy_only().tells_the_same("processes", GetParam());
}

INSTANTIATE_TEST_SUITE_P(that, Processes,
                         testing::Values("a_child_without_cuda", "a_child_that_execs",
                                         "a_child_that_tries_cuda", "a_child_that_is_first",
                                         "exit_with_work_in_flight", "frees_in_an_exit_handler",
                                         "children_while_memory_moves", "grandchildren",
                                         "signals_while_memory_moves", "a_signal_that_is_handled",
                                         "interrupted_again_and_again", "exits_while_memory_moves",
                                         "exec_while_memory_moves", "threads_that_end"),
                         [](const auto& info) { return std::string(info.param); });

TEST(small_allocations, are_left_to_the_driver) {
  World().tells_the_same("lives", "small_allocations", [](const Seen& seen) {
    EXPECT_EQ(seen.count("peak_bytes"), 0u) << seen.summary;  // counted, and not held by us
    EXPECT_EQ(seen.count("device_held"), 0u) << seen.summary;
    EXPECT_EQ(seen.count("launches"), 32u);
    did_not_move(seen);
  });
}

TEST(small_allocations, are_served_when_the_threshold_says_so) {
  World()
      .with("SPILLWAY_MIN_SIZE", "32KiB")
      .tells_the_same("lives", "small_allocations",
                      [](const Seen& seen) { EXPECT_GE(seen.count("peak_bytes"), 32 * 64_KiB); });
}

}  // namespace
