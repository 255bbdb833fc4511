// SPDX-License-Identifier: Apache-2.0
// Whatever way a program takes to the driver, the library sees every allocation, free and launch.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "interpose/hooks.h"
#include "tests/support/place.h"

namespace {

using nlohmann::json;
using support::Environment;
using support::Finished;
using support::Gpu;
using support::TemporaryFile;

Finished run(const std::string& program, const std::vector<std::string>& arguments,
             const Environment& environment) {
  support::Command command;
  command.arguments = {support::program(program)};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  command.environment = environment;
  command.deadline *= support::slowness();
  return support::run(command);
}

// Runs it under one schedule of the simulated GPU, and compares what it says it did with what the
// library counted.
void sees_all(const std::string& program, const std::vector<std::string>& arguments,
              const std::string& seed,
              Environment environment = support::interposed(Gpu::Simulated)) {
  Environment without = support::plain(Gpu::Simulated);
  without["SIMCUDA_SEED"] = seed;
  const Finished alone = run(program, arguments, without);
  ASSERT_TRUE(alone.ok()) << alone.how() << alone.err;

  const TemporaryFile summary(".json");
  environment["SPILLWAY_SUMMARY"] = summary.path();
  environment["SIMCUDA_SEED"] = seed;
  const Finished seen = run(program, arguments, environment);
  ASSERT_TRUE(seen.ok()) << seen.how() << seen.err;
  EXPECT_EQ(seen.out, alone.out);
  EXPECT_EQ(seen.err, "");

  const json did = json::parse(seen.out);
  const json counted = json::parse(summary.text(), nullptr, false);
  ASSERT_TRUE(counted.is_object()) << "no summary: the library saw nothing";
  for (const char* what : {"allocations", "frees", "launches"}) {
    EXPECT_GT(did[what], 0) << what;
    EXPECT_EQ(counted[what], did[what]) << what;
  }
}

void sees_all(const std::string& program, const std::vector<std::string>& arguments) {
  const int schedules = support::slowness() > 1 ? 2 : 10;
  for (int seed = 0; seed < schedules && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("SIMCUDA_SEED=" + std::to_string(seed));
    sees_all(program, arguments, std::to_string(seed));
  }
}

TEST(WaysIn, DirectSymbols) {
  sees_all("ways_linked", {});
}

class LookedUp : public testing::TestWithParam<const char*> {};

TEST_P(LookedUp, IsSeen) {
  sees_all("ways_looked_up", {GetParam()});
}

INSTANTIATE_TEST_SUITE_P(Ways, LookedUp,
                         testing::Values("handle", "default", "v1", "v1-legacy", "v1-thread", "v2",
                                         "v2-legacy", "v2-thread", "threads", "child",
                                         "busy-parent", "reopened"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(WaysIn, SwitchedOffPassesEverything) {
  const TemporaryFile summary(".json");
  Environment environment = support::interposed(Gpu::Simulated);
  environment["SPILLWAY_SUMMARY"] = summary.path();
  environment["SPILLWAY_ENABLE"] = "off";
  const Finished seen = run("ways_looked_up", {"v2"}, environment);
  EXPECT_TRUE(seen.ok()) << seen.how() << seen.err;
  EXPECT_EQ(seen.err, "");
  EXPECT_EQ(summary.text(), "");
}

TEST(WaysIn, FailingToStartPassesEverythingAndSaysWhyOnce) {
  Environment environment = support::interposed(Gpu::Simulated);
  environment["SIMCUDA_FAULT"] = "cuMemAddressReserve:*:CUDA_ERROR_OUT_OF_MEMORY";
  const Finished seen = run("ways_looked_up", {"threads"}, environment);
  EXPECT_TRUE(seen.ok()) << seen.how() << seen.err;
  EXPECT_EQ(std::count(seen.err.begin(), seen.err.end(), '\n'), 1) << seen.err;
  EXPECT_NE(seen.err.find("CUDA_ERROR_OUT_OF_MEMORY"), std::string::npos) << seen.err;
}

// The driver itself loads what CUDA_INJECTION64_PATH names: too late for a library that has to be
// found first, which says so and keeps out of the way.
TEST(WaysIn, InjectionByTheDriverIsTooLateAndSaysSo) {
  const TemporaryFile summary(".json");
  Environment environment = support::interposed(Gpu::Simulated);
  environment["LD_PRELOAD"].resize(environment["LD_PRELOAD"].size() - support::library().size());
  environment["CUDA_INJECTION64_PATH"] = support::library();
  environment["SPILLWAY_SUMMARY"] = summary.path();
  for (const char* way : {"handle", "default", "v2", "threads"}) {
    const Finished alone = run("ways_looked_up", {way}, support::plain(Gpu::Simulated));
    const Finished seen = run("ways_looked_up", {way}, environment);
    EXPECT_TRUE(seen.ok()) << way << ": " << seen.how() << seen.err;
    EXPECT_EQ(seen.out, alone.out);
    EXPECT_EQ(std::count(seen.err.begin(), seen.err.end(), '\n'), 1) << seen.err;
    EXPECT_NE(seen.err.find("LD_PRELOAD"), std::string::npos) << seen.err;
    EXPECT_EQ(summary.text(), "");
  }
}

TEST(WaysIn, InjectionBesideThePreloadChangesNothing) {
  Environment environment = support::interposed(Gpu::Simulated);
  environment["CUDA_INJECTION64_PATH"] = support::library();
  sees_all("ways_looked_up", {"v2"}, "0", environment);
}

struct Answer {
  std::string verdict;  // result and status
  std::string symbol, library;
};

std::map<std::string, Answer> answers(const std::string& out) {
  std::map<std::string, Answer> answers;
  std::istringstream lines(out);
  for (std::string line; std::getline(lines, line);) {
    const size_t equals = line.find(" = ");
    std::istringstream words(line.substr(equals + 3));
    std::string result, status;
    Answer answer;
    words >> result >> status >> answer.symbol >> answer.library;
    answer.verdict = result + " " + status;
    answers[line.substr(0, equals)] = answer;
  }
  return answers;
}

// The look-ups of NVIDIA's runtime: each gets the driver's own answer, except that the address of
// an intercepted function is our body for the very same symbol.
TEST(WaysIn, RuntimeLookUps) {
  const Finished alone = run("ways_lookups", {WAYS_LOOKUPS}, support::plain(Gpu::Simulated));
  const Finished seen = run("ways_lookups", {WAYS_LOOKUPS}, support::interposed(Gpu::Simulated));
  ASSERT_TRUE(alone.ok() && seen.ok()) << alone.how() << seen.how() << seen.err;
  EXPECT_EQ(seen.err, "");

  std::map<std::string_view, spillway::HookKind> kinds;
  for (const spillway::HookInfo& row : spillway::kHooks) kinds[row.symbol] = row.kind;

  const auto expected = answers(alone.out);
  const auto got = answers(seen.out);
  ASSERT_EQ(expected.size(), 439u);
  ASSERT_EQ(got.size(), expected.size());
  int replaced = 0;
  for (const auto& [question, answer] : expected) {
    const Answer& mine = got.at(question);
    EXPECT_EQ(mine.verdict, answer.verdict) << question;
    EXPECT_EQ(mine.symbol, answer.symbol) << question;
    if (answer.symbol == "-") continue;  // the driver has none
    const auto kind = kinds.find(answer.symbol);
    ASSERT_NE(kind, kinds.end()) << answer.symbol << " has no row in hooks.def";
    const bool ours = kind->second != spillway::HookKind::Pass;
    EXPECT_EQ(mine.library, ours ? "libspillway.so" : answer.library) << question;
    replaced += ours;
  }
  EXPECT_GT(replaced, 100);
}

}  // namespace
