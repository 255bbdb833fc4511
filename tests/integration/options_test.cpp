// SPDX-License-Identifier: Apache-2.0
// What the user says, what the machine refuses: the job goes on, and stderr says why.
#include <algorithm>

#include "tests/integration/world.h"

using namespace integration;

namespace {

long lines(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

testing::AssertionResult names(const Seen& seen, const std::string& text) {
  if (seen.finished.err.find(text) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "no \"" << text << "\" in: " << seen.finished.err;
}

TEST(switched_off, the_library_does_nothing_at_all) {
  const Seen alone = World().without_the_library().device(16_MiB).run("pressure", "rounds");
  const Seen off = World().device(16_MiB).with("SPILLWAY_ENABLE", "off").run("pressure", "rounds");
  // The device is too small for the story, with the library off as without it.
  EXPECT_FALSE(alone.finished.ok());
  EXPECT_EQ(off.finished.exit_code, alone.finished.exit_code);
  EXPECT_EQ(off.finished.out, alone.finished.out);
  EXPECT_EQ(off.finished.err, alone.finished.err);
  EXPECT_TRUE(off.summary.empty()) << off.summary;
  World().with("SPILLWAY_ENABLE", "off").tells_the_same("pressure", "rounds", said_nothing);
}

TEST(a_bad_value, is_named_with_its_variable_and_the_default_stands) {
  World()
      .with("SPILLWAY_DEVICE_LIMIT", "much")
      .tells_the_same("pressure", "rounds", [](const Seen& seen) {
        EXPECT_TRUE(names(seen, "SPILLWAY_DEVICE_LIMIT"));
        EXPECT_TRUE(names(seen, "much"));
        EXPECT_EQ(lines(seen.finished.err), 1) << seen.finished.err;
        did_not_move(seen);
        EXPECT_EQ(seen.count("allocations"), 6u);
      });
}

TEST(a_bad_value, of_the_policy_is_no_reason_to_stop) {
  World()
      .device(16_MiB)
      .budget(12_MiB)
      .with("SPILLWAY_POLICY", "luck")
      .tells_the_same("pressure", "rounds", [](const Seen& seen) {
        EXPECT_TRUE(names(seen, "SPILLWAY_POLICY"));
        moved(seen);
      });
}

TEST(an_unknown_variable, gets_a_suggestion) {
  World().with("SPILLWAY_POLICI", "lru").tells_the_same("pressure", "rounds", [](const Seen& seen) {
    EXPECT_TRUE(names(seen, "SPILLWAY_POLICI"));
    EXPECT_TRUE(names(seen, "SPILLWAY_POLICY"));
  });
}

TEST(the_loudest_log, never_reaches_stdout) {
  World()
      .device(16_MiB)
      .budget(12_MiB)
      .with("SPILLWAY_LOG", "trace")
      .with("SPILLWAY_BANNER", "on")
      .tells_the_same("pressure", "rounds",
                      [](const Seen& seen) { EXPECT_GT(lines(seen.finished.err), 1); });
}

TEST(the_banner, is_one_line_that_tells_the_budget) {
  World()
      .budget(12_MiB)
      .with("SPILLWAY_BANNER", "on")
      .tells_the_same("pressure", "rounds", [](const Seen& seen) {
        EXPECT_EQ(lines(seen.finished.err), 1) << seen.finished.err;
        EXPECT_TRUE(names(seen, "12"));
        EXPECT_TRUE(names(seen, "lookahead"));
      });
}

// --- a driver that refuses ---

class Start : public testing::TestWithParam<const char*> {};

TEST_P(Start, fails_open_with_one_line) {
  World()
      .with("SIMCUDA_FAULT", std::string(GetParam()) + ":*:CUDA_ERROR_NOT_SUPPORTED")
      .tells_the_same("pressure", "rounds", [](const Seen& seen) {
        EXPECT_EQ(lines(seen.finished.err), 1) << seen.finished.err;
        EXPECT_TRUE(names(seen, "spillway: "));
        EXPECT_TRUE(names(seen, "CUDA_ERROR_NOT_SUPPORTED"));
        EXPECT_EQ(seen.count("allocations"), 0u);
      });
}

// Without these nothing can be served.
INSTANTIATE_TEST_SUITE_P(without, Start, testing::Values("cuMemAddressReserve"),
                         [](const auto& info) { return std::string(info.param); });

TEST(a_device_smaller_than_the_limit, shrinks_the_pool_and_goes_on) {
  World().device(14_MiB).budget(64_MiB).tells_the_same("pressure", "rounds", moved);
}

TEST(a_device_smaller_than_the_limit, leaves_the_driver_what_it_needs_for_a_module) {
  World().device(14_MiB).budget(64_MiB).tells_the_same("pressure", "a_module_is_loaded_last",
                                                       moved);
}

TEST(a_chunk_that_the_driver_refuses, is_made_good_by_eviction) {
  World()
      .with("SIMCUDA_FAULT", "cuMemCreate:5:CUDA_ERROR_OUT_OF_MEMORY")
      .device(64_MiB)
      .tells_the_same("pressure", "rounds");
}

TEST(pinned_memory_that_the_driver_refuses, is_an_honest_out_of_memory) {
  World()
      .device(16_MiB)
      .budget(12_MiB)
      .copy_only()
      .with("SIMCUDA_FAULT", "cuMemHostRegister_v2:*:CUDA_ERROR_OUT_OF_MEMORY")
      .ends_well("pressure", "until_memory_ends",
                 [](const Seen& seen) { EXPECT_EQ(seen.count("evictions"), 0u); });
}

}  // namespace
