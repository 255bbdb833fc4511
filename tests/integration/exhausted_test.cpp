// SPDX-License-Identifier: Apache-2.0
// When memory ends: every rung from eviction to one honest CUDA_ERROR_OUT_OF_MEMORY, whoever it is
// that has no more. The application may free something and go on.
#include <string_view>

#include "tests/integration/world.h"

using namespace integration;

namespace {

World small_device() {
  return World().device(16_MiB).budget(12_MiB);
}

size_t times_said(const Seen& seen, std::string_view what) {
  size_t count = 0;
  for (size_t at = 0; (at = seen.finished.err.find(what, at)) != std::string::npos; ++at) count++;
  return count;
}

void refused_something(const Seen& seen) {
  EXPECT_EQ(times_said(seen, "refused: "), 1u) << seen.finished.err;
}

TEST(when_host_memory_is_full_too, the_application_is_told_once_and_goes_on_after_frees) {
  small_device().host_budget(16_MiB).ends_well(
      "pressure", "until_memory_ends", [](const Seen& seen) {
        EXPECT_LE(seen.count("peak_bytes"), 28_MiB);
        EXPECT_GT(seen.count("evictions"), 0u);
        // One line says what filled what.
        EXPECT_NE(seen.finished.err.find("spillway: "), std::string::npos);
      });
}

TEST(when_host_memory_is_full_too, copies_only_is_no_different) {
  small_device().host_budget(16_MiB).copy_only().ends_well("pressure", "until_memory_ends");
}

// What keeps the host from having more than a little.
struct Shortage {
  const char* name;
  void (*set)(World& world);
};

const Shortage kShortages[] = {
    {"no_host_budget", [](World& world) { world.host_budget(1); }},
    {"a_small_host_budget", [](World& world) { world.host_budget(8_MiB); }},
    // As ulimit -l, a cgroup or the kernel do it.
    {"little_pinned_memory", [](World& world) { world.with("SIMCUDA_PINNED", "8MiB"); }},
    {"no_more_pinned_memory",
     [](World& world) {
       world.with("SIMCUDA_FAULT",
                  "cuMemHostRegister:5*:CUDA_ERROR_OUT_OF_MEMORY:libspillway,"
                  "cuMemAddressReserve:9*:CUDA_ERROR_OUT_OF_MEMORY:libspillway");
     }},
};

class HostMemoryThatEnds : public testing::TestWithParam<Shortage> {};

TEST_P(HostMemoryThatEnds, is_said_to_the_call_that_needs_it_in_place) {
  World world = small_device();
  GetParam().set(world);
  world.ends_well("pressure", "whatever_call_has_no_memory", refused_something);
}

TEST_P(HostMemoryThatEnds, is_said_to_the_call_that_needs_it_with_copies_only) {
  World world = small_device().copy_only();
  GetParam().set(world);
  world.ends_well("pressure", "whatever_call_has_no_memory", refused_something);
}

INSTANTIATE_TEST_SUITE_P(by, HostMemoryThatEnds, testing::ValuesIn(kShortages),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(host_memory_that_is_enough, refuses_nothing) {
  small_device().tells_the_same("pressure", "whatever_call_has_no_memory", said_nothing);
  small_device().copy_only().tells_the_same("pressure", "whatever_call_has_no_memory",
                                            said_nothing);
}

// The driver takes device memory for itself at the first use of a context and of each kernel, here
// 9 MiB and twice `each`: one buffer still fits beside it.
TEST(the_drivers_own_memory, is_made_room_for) {
  for (const char* each : {"1MiB", "2MiB", "3MiB"}) {
    SCOPED_TRACE(each);
    const auto lazy = [&](World world) {
      return world.device(20_MiB).budget(64_MiB).with("SIMCUDA_LAZY", each);
    };
    lazy(World()).tells_the_same("pressure", "rounds", pushed_out);
    lazy(World()).copy_only().tells_the_same("pressure", "rounds", pushed_out);
    lazy(World()).ends_well("pressure", "a_module_is_loaded_last", pushed_out);
  }
}

// A budget below what a single kernel needs, and below a single piece of memory.
TEST(a_budget_below_one_kernels_need, runs_it_in_place) {
  for (const size_t budget : {6_MiB, 4_MiB, 2_MiB}) {
    SCOPED_TRACE(budget);
    World().device(16_MiB).budget(budget).tells_the_same("pressure", "rounds");
    World().device(16_MiB).budget(budget).tells_the_same("pressure", "streams_share_a_range");
  }
}

TEST(a_budget_below_one_kernels_need, is_said_where_only_copies_are_possible) {
  for (const size_t budget : {6_MiB, 4_MiB, 2_MiB}) {
    SCOPED_TRACE(budget);
    World().device(16_MiB).budget(budget).copy_only().ends_well("pressure",
                                                                "whatever_call_has_no_memory");
  }
}

TEST(a_budget_of_almost_nothing, leaves_everything_on_the_host) {
  World()
      .device(16_MiB)
      .with("SPILLWAY_DEVICE_LIMIT", "1")
      .ends_well("pressure", "whatever_call_has_no_memory");
}

}  // namespace
