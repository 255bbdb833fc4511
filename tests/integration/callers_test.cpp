// SPDX-License-Identifier: Apache-2.0
// Who allocates: what communication libraries allocate for themselves is left to the driver, and a
// trace tells from where everything else came.
#include <set>

#include "tests/integration/world.h"
#include "tools/trace/reader.h"

using namespace integration;
using spillway::tools::Record;
using spillway::tools::TraceReader;
namespace trace = spillway::trace;

namespace {

World small_device() {
  return World().device(24_MiB).budget(20_MiB);
}

TEST(memory_of_a_library, is_left_to_the_driver_where_it_is_excluded) {
  for (const bool copy_only : {false, true}) {
    World world = small_device();
    if (copy_only) world.copy_only();
    world.tells_the_same("callers", "a_library_that_is_excluded", [](const Seen& seen) {
      EXPECT_EQ(seen.count("outside_bytes"), 4_MiB);
      pushed_out(seen);
    });
  }
}

TEST(memory_of_a_library, is_served_where_it_is_not) {
  small_device().tells_the_same("callers", "a_library_like_any_other", [](const Seen& seen) {
    EXPECT_EQ(seen.count("outside_bytes"), 0u);
    pushed_out(seen);
  });
  small_device()
      .with("SPILLWAY_EXCLUDE", "none")
      .tells_the_same("callers", "a_library_that_is_excluded",
                      [](const Seen& seen) { EXPECT_EQ(seen.count("outside_bytes"), 0u); });
  small_device()
      .with("SPILLWAY_EXCLUDE", "libsomething,libother")
      .tells_the_same("callers", "a_library_like_any_other",
                      [](const Seen& seen) { EXPECT_EQ(seen.count("outside_bytes"), 4_MiB); });
}

struct Sites {
  std::set<std::string> of_allocations, of_launches;
};

Sites sites(const std::string& path) {
  TraceReader reader(path);
  std::map<uint64_t, std::string> names;
  std::set<uint64_t> made, used;
  for (Record record; reader.next(&record);) {
    if (const auto named = TraceReader::as<trace::Named>(record))
      names[named->name] = named->text;
    else if (const auto allocated = TraceReader::as<trace::Allocated>(record))
      made.insert(allocated->site);
    else if (const auto launched = TraceReader::as<trace::Launched>(record))
      used.insert(launched->site);
  }
  Sites all;
  for (const uint64_t site : made) all.of_allocations.insert(names[site]);
  for (const uint64_t site : used) all.of_launches.insert(names[site]);
  return all;
}

TEST(a_trace, tells_from_where_memory_was_allocated_and_kernels_were_launched) {
  const support::TemporaryFile file(".trace");
  const Seen seen = small_device()
                        .with("SPILLWAY_TRACE", file.path())
                        .with("SPILLWAY_TRACE_SITES", "on")
                        .run("callers", "a_library_like_any_other");
  ASSERT_TRUE(seen.finished.ok()) << seen.finished.err;
  const Sites told = sites(file.path());
  const auto names = [](const std::set<std::string>& all, const char* what) {
    return std::ranges::any_of(all, [&](const auto& one) { return one.find(what) != one.npos; });
  };
  EXPECT_TRUE(names(told.of_allocations, "allocate_for_itself"));
  EXPECT_TRUE(names(told.of_allocations, "(libother_stand_in.so+0x"));
  EXPECT_TRUE(names(told.of_allocations, "callers+0x"));
  EXPECT_TRUE(names(told.of_launches, "callers+0x"));
  EXPECT_FALSE(names(told.of_launches, "libspillway"));
  EXPECT_GE(told.of_allocations.size(), 2u);
}

TEST(a_trace, tells_no_places_unless_asked) {
  const support::TemporaryFile file(".trace");
  const Seen seen =
      small_device().with("SPILLWAY_TRACE", file.path()).run("callers", "a_library_like_any_other");
  ASSERT_TRUE(seen.finished.ok()) << seen.finished.err;
  EXPECT_EQ(sites(file.path()).of_allocations, std::set<std::string>{""});
}

}  // namespace
