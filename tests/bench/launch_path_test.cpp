// SPDX-License-Identifier: Apache-2.0
// The launch path when nothing has to move: no lock, and no driver call but the launch.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/place.h"

namespace {

support::Command launches(int count) {
  support::Command command;
  command.arguments = {support::program("launch_locks"), std::to_string(count)};
  command.environment = support::interposed(support::Gpu::Simulated);
  return command;
}

TEST(LaunchPath, TakesNoLock) {
  support::Command command = launches(1000);
  // A driver that takes none itself.
  command.environment["LD_LIBRARY_PATH"] = support::build_directory() / "nulldriver";
  const support::Finished finished = support::run(command);
  unsigned long of_launches = 1, of_allocation = 0;
  ASSERT_EQ(2, std::sscanf(finished.out.c_str(), "launches %lu allocation %lu", &of_launches,
                           &of_allocation))
      << finished.how() << finished.err;
  EXPECT_EQ(0u, of_launches);
  EXPECT_GT(of_allocation, 0u) << "locks are not seen";
}

// All calls that reached the driver, by name, in a process with so many launches.
std::map<std::string, uint64_t> driver_calls(int count) {
  const support::TemporaryFile report(".json"), summary(".json");
  support::Command command = launches(count);
  command.environment["SIMCUDA_REPORT"] = report.path();
  command.environment["SPILLWAY_SUMMARY"] = summary.path();
  const support::Finished finished = support::run(command);
  EXPECT_TRUE(finished.ok()) << finished.how() << finished.err;
  const auto counted = nlohmann::json::parse(summary.text(), nullptr, false);
  EXPECT_TRUE(counted.is_object() && counted.value("launches", 0) >= count);
  const auto said = nlohmann::json::parse(report.text(), nullptr, false);
  if (!said.is_object()) return {};
  return said.at("calls").get<std::map<std::string, uint64_t>>();
}

TEST(LaunchPath, CallsTheDriverOnceForEachLaunch) {
  constexpr int kFew = 100, kMany = 600;
  std::map<std::string, uint64_t> expected = driver_calls(kFew), seen = driver_calls(kMany);
  ASSERT_GE(expected["cuLaunchKernel"], kFew);
  expected["cuLaunchKernel"] += kMany - kFew;
  // The reports on the first launches are asked for until they are in, a little sooner or later.
  for (auto* calls : {&expected, &seen}) {
    EXPECT_LT((*calls)["cuEventQuery"], kMany - kFew);
    calls->erase("cuEventQuery");
  }
  EXPECT_EQ(expected, seen);
}

}  // namespace
