// SPDX-License-Identifier: Apache-2.0
// Contexts, modules, streams and processes begin and end under the library as they do without it.
#include "tests/integration/world.h"

using namespace integration;

namespace {

World small_device() {
  return World().device(16_MiB).budget(12_MiB);
}

class Lives : public testing::TestWithParam<Story> {};

TEST_P(Lives, go_on_under_pressure) {
  small_device().tells_the_same(GetParam().program, GetParam().name);
}

TEST_P(Lives, go_on_with_copies_only) {
  small_device().copy_only().tells_the_same(GetParam().program, GetParam().name);
}

constexpr Story kLives[] = {
    {"lives", "contexts_come_and_go"},
    {"lives", "the_primary_context_is_reset"},
    {"lives", "the_primary_context_is_released"},
    {"lives", "two_contexts_at_once"},
    {"lives", "contexts_destroyed_in_flight"},
    {"lives", "contexts_come_and_go_beside_another"},
    {"lives", "modules_are_unloaded_and_loaded_again"},
    {"lives", "streams_are_destroyed_in_flight"},
    {"processes", "a_child_without_cuda"},
    {"processes", "a_child_that_execs"},
    {"processes", "a_child_that_tries_cuda"},
    {"processes", "a_child_that_is_first"},
    {"processes", "exit_with_work_in_flight"},
    {"processes", "frees_in_an_exit_handler"},
    {"processes", "children_while_memory_moves"},
    {"processes", "grandchildren"},
    {"processes", "signals_while_memory_moves"},
    {"processes", "a_signal_that_is_handled"},
    {"processes", "interrupted_again_and_again"},
    {"processes", "exits_while_memory_moves"},
    {"processes", "exec_while_memory_moves"},
    {"processes", "threads_that_end"},
};
INSTANTIATE_TEST_SUITE_P(that, Lives, testing::ValuesIn(kLives), by_story);

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
