// SPDX-License-Identifier: Apache-2.0
// What a kernel reaches through memory is there when it follows the address, and may move again
// when the address is gone.
#include "tests/integration/world.h"

using namespace integration;

namespace {

World small_device() {
  return World().device(24_MiB).budget(16_MiB);
}

class Hidden : public testing::TestWithParam<Story> {};

TEST_P(Hidden, addresses_lead_to_their_bytes_in_place) {
  small_device().tells_the_same(GetParam().program, GetParam().name, pushed_out);
}

TEST_P(Hidden, addresses_lead_to_their_bytes_with_copies_only) {
  small_device().copy_only().tells_the_same(GetParam().program, GetParam().name, moved);
}

constexpr Story kWays[] = {
    {"arguments", "deep_in_a_struct"},
    {"arguments", "numbers_that_look_like_an_address"},
    {"arguments", "behind_four_kilobytes_of_arguments"},
    {"arguments", "an_array_of_packed_structs"},
    {"arguments", "in_an_extra_buffer"},
    {"arguments", "packed_to_bytes"},
    {"arguments", "in_the_extra_buffer_of_a_graph_node"},
    {"hidden", "a_table_made_on_the_host"},
    {"hidden", "a_table_that_is_written_again"},
    {"hidden", "holders_that_are_overwritten_or_freed"},
    {"hidden", "a_list_made_on_the_host"},
    {"hidden", "a_table_that_a_graph_uploads"},
    {"tensor_maps", "passed_by_value"},
    {"tensor_maps", "copied_to_device_memory"},
    {"tensor_maps", "copied_to_a_constant"},
    {"tensor_maps", "in_a_graph"},
    {"textures", "over_linear_memory"},
    {"textures", "over_pitched_memory"},
    {"textures", "textures_that_are_destroyed"},
    {"textures", "a_texture_that_outlives_its_memory"},
    {"textures", "a_surface_over_an_array"},
};
INSTANTIATE_TEST_SUITE_P(with, Hidden, testing::ValuesIn(kWays), by_story);

TEST(memory_that_somebody_else_may_use, moves_again_when_nobody_does) {
  small_device().tells_the_same("stillness", "handles_that_are_given_back", pushed_out);
  small_device().copy_only().tells_the_same("stillness", "handles_that_are_given_back", moved);
}

TEST(memory_that_somebody_else_may_use, stays_until_then) {
  small_device().copy_only().tells_the_same("stillness", "a_handle_that_is_kept", moved);
  small_device().tells_the_same("stillness", "a_dma_buf_that_is_read", pushed_out);
  small_device().copy_only().tells_the_same("stillness", "a_dma_buf_that_is_read", moved);
}

// Addresses that only kernels know: what the kernel stored is read behind its launch, so that what
// they lead to is there, however close the work.
constexpr const char* kMadeOnTheDevice[] = {"a_table_made_on_the_device",
                                            "a_list_made_on_the_device",
                                            "a_table_made_on_the_device_and_followed_in_haste",
                                            "a_table_that_a_graph_follows_in_haste",
                                            "a_table_for_each_batch",
                                            "a_table_made_on_the_device_and_copied_at_once",
                                            "a_table_that_a_kernel_writes_again",
                                            "a_table_of_a_thousand_addresses",
                                            "a_table_that_a_graph_makes",
                                            "a_variable_that_a_kernel_sets"};
class MadeOnTheDevice : public testing::TestWithParam<const char*> {};

TEST_P(MadeOnTheDevice, addresses_lead_to_their_bytes_in_place) {
  small_device().tells_the_same("hidden", GetParam(), pushed_out);
}

TEST_P(MadeOnTheDevice, addresses_lead_to_their_bytes_with_copies_only) {
  small_device().copy_only().tells_the_same("hidden", GetParam(), moved);
}

INSTANTIATE_TEST_SUITE_P(with, MadeOnTheDevice, testing::ValuesIn(kMadeOnTheDevice),
                         [](const auto& info) { return std::string(info.param); });

// The user says that there are such addresses: every launch is then a use of everything. That is
// right in place, however close the work, and refused where everything does not fit.
World distrustful() {
  return small_device().with("SPILLWAY_TRUST_ARGUMENTS", "off");
}

TEST(without_trust_in_arguments, everything_leads_to_its_bytes_in_place) {
  for (const char* story : {"a_table_made_on_the_device", "a_list_made_on_the_device",
                            "a_table_made_on_the_device_and_followed_in_haste",
                            "a_table_that_a_graph_follows_in_haste"})
    distrustful().tells_the_same("hidden", story, pushed_out);
  distrustful().tells_the_same("arguments", "in_an_extra_buffer", pushed_out);
}

TEST(without_trust_in_arguments, what_does_not_fit_is_refused_with_copies_only) {
  distrustful().copy_only().ends_well(
      "hidden", "a_table_made_on_the_device_and_followed_in_haste",
      [](const Seen& seen) { EXPECT_EQ(seen.finished.out, "refused\n"); });
}

// A broken context is not a lack of memory.
TEST(a_call_after_a_fault, is_told_of_the_fault) {
  small_device()
      .copy_only()
      .with("SPILLWAY_TRUST_ARGUMENTS", "on")
      .ends_well("hidden", "a_call_after_a_fault", [](const Seen& seen) {
        EXPECT_EQ(seen.finished.out, "CUDA_ERROR_ILLEGAL_ADDRESS\n");
      });
}

}  // namespace
