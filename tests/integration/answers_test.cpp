// SPDX-License-Identifier: Apache-2.0
// What the application is told is what the driver would have said: errors and queries, line by
// line.
#include "tests/integration/world.h"

using namespace integration;

namespace {

class WrongCalls : public testing::TestWithParam<const char*> {};

TEST_P(WrongCalls, are_answered_as_the_driver_answers_them) {
  World().tells_the_same("bad_input", GetParam());
}

TEST_P(WrongCalls, are_answered_so_under_pressure_as_well) {
  World().device(32_MiB).budget(8_MiB).tells_the_same("bad_input", GetParam());
}

INSTANTIATE_TEST_SUITE_P(of, WrongCalls,
                         testing::Values("allocations", "frees", "launches", "copies",
                                         "out_parameters", "too_early"),
                         [](const auto& info) { return std::string(info.param); });

class Queries : public testing::TestWithParam<const char*> {};

TEST_P(Queries, are_answered_as_for_ordinary_memory) {
  World().tells_the_same("queries", GetParam());
}

TEST_P(Queries, are_answered_so_wherever_the_bytes_are) {
  World().device(16_MiB).budget(12_MiB).tells_the_same("queries", GetParam());
}

TEST_P(Queries, are_answered_so_with_copies_only) {
  World().device(16_MiB).budget(12_MiB).copy_only().tells_the_same("queries", GetParam());
}

INSTANTIATE_TEST_SUITE_P(about, Queries,
                         testing::Values("attributes", "several_attributes_at_once",
                                         "address_ranges", "buffer_ids", "memory_info"),
                         [](const auto& info) { return std::string(info.param); });

TEST(a_handle_for_another_process, is_refused_with_the_way_to_have_it) {
  World().ends_well("queries", "a_handle_for_another_process", [](const Seen& seen) {
    EXPECT_EQ(seen.finished.out,
              "large: CUDA_ERROR_INVALID_VALUE\nlarge: CUDA_ERROR_INVALID_VALUE\n"
              "small: CUDA_SUCCESS\n");
    const std::string& said = seen.finished.err;
    EXPECT_NE(said.find("SPILLWAY_MIN_SIZE"), std::string::npos) << said;
    EXPECT_EQ(said.find("cuIpcGetMemHandle"), said.rfind("cuIpcGetMemHandle")) << "said twice";
  });
}

TEST(a_handle_for_another_process, is_had_as_the_refusal_says) {
  World()
      .with("SPILLWAY_MIN_SIZE", "16MiB")
      .tells_the_same("queries", "a_handle_for_another_process", said_nothing);
}

}  // namespace
