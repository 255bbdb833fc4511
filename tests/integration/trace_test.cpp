// SPDX-License-Identifier: Apache-2.0
// A trace tells what the library counted: no byte moves that is not in it.
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "tests/integration/world.h"
#include "tools/trace/reader.h"

using namespace integration;
using spillway::tools::Record;
using spillway::tools::TraceReader;
namespace trace = spillway::trace;

namespace {

struct Told {
  uint64_t allocations = 0, frees = 0, launches = 0, out = 0, out_bytes = 0, in = 0, in_bytes = 0;
  std::set<std::string> names;
  std::set<uint64_t> unknown;  // ranges that a launch or a free names and nobody allocated
};

Told read(const std::string& path) {
  TraceReader reader(path);
  Told told;
  std::set<uint64_t> made, used;
  for (Record record; reader.next(&record);) {
    if (const auto allocated = TraceReader::as<trace::Allocated>(record)) {
      told.allocations++;
      made.insert(allocated->range);
    } else if (const auto freed = TraceReader::as<trace::Freed>(record)) {
      told.frees++;
      used.insert(freed->range);
    } else if (const auto launched = TraceReader::as<trace::Launched>(record)) {
      told.launches++;
      used.insert(launched->ranges.begin(), launched->ranges.end());
    } else if (const auto out = TraceReader::as<trace::Evicted>(record)) {
      told.out++;
      told.out_bytes += out->bytes;
    } else if (const auto in = TraceReader::as<trace::Fetched>(record)) {
      told.in++;
      told.in_bytes += in->bytes;
    } else if (const auto named = TraceReader::as<trace::Named>(record)) {
      told.names.insert(std::string(named->text));
    }
  }
  std::ranges::set_difference(used, made, std::inserter(told.unknown, told.unknown.end()));
  EXPECT_EQ(reader.damaged_blocks(), 0u);
  return told;
}

class Traced : public testing::TestWithParam<const char*> {};

TEST_P(Traced, tells_what_was_counted) {
  for (const bool in_place : {true, false}) {
    const support::TemporaryFile file(".trace");
    World world = World().device(16_MiB).budget(12_MiB).with("SPILLWAY_TRACE", file.path());
    if (!in_place) world.copy_only();
    world.tells_the_same("pressure", GetParam(), [&](const Seen& seen) {
      const Told told = read(file.path());
      EXPECT_EQ(told.allocations, seen.count("allocations"));
      EXPECT_EQ(told.frees, seen.count("frees"));
      EXPECT_EQ(told.launches, seen.count("launches"));
      EXPECT_EQ(told.out, seen.count("evictions"));
      EXPECT_EQ(told.out_bytes, seen.count("moved_out_bytes"));
      EXPECT_EQ(told.in, seen.count("fetches"));
      EXPECT_EQ(told.in_bytes, seen.count("moved_in_bytes"));
      EXPECT_FALSE(told.names.empty());
      EXPECT_TRUE(told.unknown.empty()) << *told.unknown.begin();
    });
  }
}

INSTANTIATE_TEST_SUITE_P(everything, Traced,
                         testing::Values("rounds", "tensors_that_come_and_go",
                                         "threads_share_a_range"),
                         [](const auto& info) { return std::string(info.param); });

// By kind: how many; and the reasons for which ranges were held.
struct Kinds {
  std::map<std::string, uint64_t> count;
  std::set<spillway::PinReason> held, released;
};

Kinds kinds_of(const char* program, const char* story) {
  const support::TemporaryFile file(".trace");
  const Seen seen =
      World().device(24_MiB).budget(16_MiB).with("SPILLWAY_TRACE", file.path()).run(program, story);
  EXPECT_TRUE(seen.finished.ok()) << seen.finished.err;
  Kinds kinds;
  TraceReader reader(file.path());
  for (Record record; reader.next(&record);) {
    kinds.count[record.kind->name]++;
    if (const auto held = TraceReader::as<trace::Held>(record)) kinds.held.insert(held->reason);
    if (const auto free = TraceReader::as<trace::Released>(record))
      kinds.released.insert(free->reason);
  }
  return kinds;
}

TEST(a_trace, tells_of_addresses_in_memory_and_of_copies) {
  Kinds kinds = kinds_of("hidden", "a_table_that_is_written_again");
  EXPECT_TRUE(kinds.held.contains(spillway::PinReason::Hidden));
  EXPECT_TRUE(kinds.released.contains(spillway::PinReason::Hidden));
  EXPECT_GT(kinds.count["copied"], 0u);
  EXPECT_EQ(kinds.count["graph"], 0u);
}

TEST(a_trace, tells_of_graphs) {
  EXPECT_EQ(kinds_of("hidden", "a_table_that_a_graph_follows_in_haste").count["graph"], 6u);
}

TEST(a_trace, tells_what_the_program_holds_past_us) {
  EXPECT_GT(kinds_of("callers", "a_library_that_is_excluded").count["outside"], 0u);
}

// What the Chrome trace event format demands of each phase that we use.
void expect_valid(const nlohmann::json& event) {
  ASSERT_TRUE(event.at("pid").is_number_unsigned() && event.at("tid").is_number_unsigned())
      << event;
  ASSERT_TRUE(event.at("name").is_string() && event.at("args").is_object()) << event;
  const std::string phase = event.at("ph");
  ASSERT_TRUE(phase == "M" || event.at("ts").is_number()) << event;
  if (phase == "X") {
    ASSERT_GE(event.at("dur").get<double>(), 0) << event;
  } else if (phase == "i") {
    ASSERT_EQ(event.at("s"), "t") << event;
  } else if (phase == "C") {
    for (const auto& [series, value] : event.at("args").items())
      ASSERT_TRUE(value.is_number_unsigned()) << event;
  } else {
    ASSERT_EQ(phase, "M") << event;
    ASSERT_TRUE(event.at("args").at("name").is_string()) << event;
  }
}

TEST(a_trace, is_exported_with_every_byte_that_moved) {
  const support::TemporaryFile file(".trace");
  const Seen seen = World()
                        .device(16_MiB)
                        .budget(12_MiB)
                        .with("SPILLWAY_TRACE", file.path())
                        .run("pressure", "rounds");
  ASSERT_TRUE(seen.finished.ok()) << seen.finished.err;
  const auto exported =
      nlohmann::json::parse(run_tool({"trace", "export", "--perfetto", file.path()}).out);
  std::map<std::string, uint64_t> bytes;
  uint64_t launches = 0;
  for (const auto& event : exported.at("traceEvents")) {
    expect_valid(event);
    const std::string category = event.value("cat", "");
    launches += category == "launched";
    if (category == "evicted" || category == "fetched")
      bytes[category] += event.at("args").at("bytes").get<uint64_t>();
  }
  EXPECT_EQ(bytes["evicted"], seen.count("moved_out_bytes"));
  EXPECT_EQ(bytes["fetched"], seen.count("moved_in_bytes"));
  EXPECT_EQ(launches, seen.count("launches"));

  const auto summary =
      nlohmann::json::parse(run_tool({"trace", "summary", "--json", file.path()}).out).at(0);
  EXPECT_EQ(summary.at("out").at("bytes"), seen.count("moved_out_bytes"));
  EXPECT_EQ(summary.at("in").at("moves"), seen.count("fetches"));
  EXPECT_EQ(summary.at("peak_bytes"), seen.count("peak_bytes"));

  const auto blame =
      nlohmann::json::parse(run_tool({"trace", "blame", "--json", file.path()}).out).at(0);
  uint64_t blamed = 0;
  for (const auto& kernel : blame.at("kernels")) blamed += kernel.at("ns").get<uint64_t>();
  EXPECT_EQ(blamed, blame.at("ns"));
  EXPECT_GT(blamed, 0u);

  const std::string table = run_tool({"trace", "export", "--csv", "evicted", file.path()}).out;
  EXPECT_EQ(static_cast<uint64_t>(std::ranges::count(table, '\n')), 1 + seen.count("evictions"));
  EXPECT_EQ(run_tool({"trace", "export", "--csv", "nothing", file.path()}).exit_code, 125);
  EXPECT_EQ(run_tool({"trace", "summary", "/dev/null"}).exit_code, 125);
}

TEST(a_trace, that_cannot_be_written_lets_the_job_go_on) {
  World()
      .device(16_MiB)
      .budget(12_MiB)
      .with("SPILLWAY_TRACE", "/nowhere/trace")
      .tells_the_same("pressure", "rounds", [](const Seen& seen) {
        moved(seen);
        EXPECT_NE(seen.finished.err.find("/nowhere/trace"), std::string::npos);
        EXPECT_EQ(std::count(seen.finished.err.begin(), seen.finished.err.end(), '\n'), 1);
      });
}

TEST(a_trace, of_a_killed_job_is_read_to_its_last_block) {
  std::mt19937 random(11);
  const int kills = support::slowness() > 1 ? 5 : 25;
  for (int kill_number = 0; kill_number < kills; ++kill_number) {
    const support::TemporaryFile file(".trace");
    support::Environment environment = support::interposed(support::Gpu::Simulated);
    environment["SIMCUDA_MEMORY"] = "16777216";
    environment["SPILLWAY_DEVICE_LIMIT"] = "12MiB";
    environment["SPILLWAY_TRACE"] = file.path();
    support::Command command;
    command.arguments = {"/usr/bin/timeout",
                         "-s",
                         "KILL",
                         std::to_string(0.03 + static_cast<double>(random() % 300) / 1e3),
                         support::program("pressure"),
                         "rounds_without_waiting"};
    command.environment = environment;
    support::run(command);
    if (file.text().empty()) continue;  // before its first CUDA call
    const Told told = read(file.path());
    EXPECT_TRUE(told.unknown.empty());
    EXPECT_LE(told.frees, told.allocations);
  }
}

}  // namespace
