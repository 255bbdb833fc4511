// SPDX-License-Identifier: Apache-2.0
// Movement beside the program: both ways at once, taken back, repeated to the nanosecond.
#include "tests/integration/world.h"

using namespace integration;

namespace {

World small_device() {
  return World().device(16_MiB).budget(12_MiB);
}

class Moving : public testing::TestWithParam<const char*> {};

TEST_P(Moving, changes_no_byte) {
  small_device().tells_the_same("moving", GetParam(), moved);
}

TEST_P(Moving, changes_no_byte_with_copies_only) {
  small_device().copy_only().tells_the_same("moving", GetParam(), moved);
}

TEST_P(Moving, changes_no_byte_in_lockstep) {
  small_device()
      .with("SPILLWAY_LOCKSTEP", "on")
      .with("SIMCUDA_QUERY", "virtual")
      .tells_the_same("moving", GetParam(), moved);
}

INSTANTIATE_TEST_SUITE_P(beside, Moving, testing::Values("a_scan", "a_scan_by_two_streams_in_turn"),
                         [](const auto& info) { return std::string(info.param); });

TEST(in_lockstep, virtual_time_repeats_to_the_nanosecond) {
  double first = 0;
  for (int run = 0; run < 5; run++) {
    const support::TemporaryFile report(".json");
    const Seen seen = small_device()
                          .with("SPILLWAY_LOCKSTEP", "on")
                          .with("SIMCUDA_QUERY", "virtual")
                          .with("SIMCUDA_PROFILE", "h200-pcie5")
                          .with("SIMCUDA_REPORT", report.path())
                          .run("moving", "a_scan");
    ASSERT_TRUE(seen.finished.ok()) << seen.finished.err;
    EXPECT_GT(seen.count("fetches"), 0u);
    const auto told = nlohmann::json::parse(report.text());
    const double now = told["clock"]["virtual_ns"];
    if (run == 0) first = now;
    EXPECT_EQ(now, first) << "run " << run;
  }
}

TEST(what_is_about_to_leave, is_taken_back_when_it_is_used) {
  World()
      .device(16_MiB)
      .budget(14_MiB)
      .with("SPILLWAY_POLICY", "lru")
      .with("SPILLWAY_LOCKSTEP", "on")
      .with("SIMCUDA_QUERY", "virtual")
      .tells_the_same("moving", "a_scan_of_a_little_too_much", [](const Seen& seen) {
        pushed_out(seen);
        EXPECT_GT(seen.count("rescues"), 0u);
      });
}

TEST(a_job_that_fits, has_no_thread_of_ours) {
  World().device(32_MiB).tells_the_same("moving", "what_fits_needs_no_thread", did_not_move);
}

TEST(a_job_that_ends_while_memory_moves, ends_well) {
  small_device().ends_well("moving", "returns_while_memory_moves", said_nothing);
}

TEST(the_limit_file, lowers_and_raises_the_limit_of_a_running_job) {
  const support::TemporaryFile limit(".limit");
  World()
      .device(40_MiB)
      .budget(32_MiB)
      .with("SPILLWAY_REPORT", "physical")
      .with("SPILLWAY_LIMIT_FILE", limit.path())
      .ends_well("moving", "a_limit_that_changes", moved);
}

class Devices : public testing::TestWithParam<const char*> {};

TEST_P(Devices, of_one_process_have_a_budget_each_and_reach_each_other) {
  small_device().with("SIMCUDA_DEVICES", "2").tells_the_same("peers", GetParam(), pushed_out);
}

TEST_P(Devices, reach_each_other_with_copies_only) {
  small_device()
      .with("SIMCUDA_DEVICES", "2")
      .copy_only()
      .tells_the_same("peers", GetParam(), moved);
}

TEST(devices, without_a_link_are_copied_between) {
  small_device()
      .with("SIMCUDA_DEVICES", "2")
      .with("SIMCUDA_PEERS", "0")
      .tells_the_same("peers", "copies_between_devices", pushed_out);
}

TEST(devices, are_known_to_all_threads_at_once) {
  small_device()
      .with("SIMCUDA_DEVICES", "2")
      .tells_the_same("peers", "threads_that_arrive_on_a_device_together", pushed_out);
  // Each call fits by itself; those that come together wait for each other.
  small_device()
      .with("SIMCUDA_DEVICES", "2")
      .copy_only()
      .tells_the_same("peers", "threads_that_arrive_on_a_device_together", moved);
}

TEST(devices, make_room_for_their_own_drivers) {
  World()
      .device(14_MiB)
      .with("SIMCUDA_DEVICES", "2")
      .copy_only()
      .tells_the_same("peers", "a_graph_over_both_that_needs_memory", pushed_out);
}

TEST(devices, see_each_other_in_graphs) {
  World()
      .device(32_MiB)
      .with("SIMCUDA_DEVICES", "2")
      .tells_the_same("peers", "a_graph_of_a_device_without_memory_of_its_own",
                      [](const Seen& seen) { EXPECT_EQ(5u, seen.count("allocations")); });
}

INSTANTIATE_TEST_SUITE_P(two, Devices,
                         testing::Values("each_scans_its_own", "copies_between_devices",
                                         "a_kernel_reads_the_other_devices_memory",
                                         "a_device_without_memory_of_its_own"),
                         [](const auto& info) { return std::string(info.param); });

TEST(host_memory, is_made_in_advance_when_asked) {
  small_device()
      .with("SPILLWAY_PREWARM", "16MiB")
      .with("SPILLWAY_LOCKSTEP", "on")
      .with("SIMCUDA_QUERY", "virtual")
      .tells_the_same("moving", "what_fits_needs_no_thread", [](const Seen& seen) {
        did_not_move(seen);
        EXPECT_GE(seen.count("host_held"), 16_MiB);
      });
}

}  // namespace
