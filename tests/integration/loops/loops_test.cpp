// SPDX-License-Identifier: Apache-2.0
// Programs that loop as training does keep every word when half of what they use does not fit, and
// in lock-step they take the same time whatever the schedule.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/place.h"

namespace {

struct Loop {
  const char* name;
  std::vector<std::string> command;
  uint64_t budget_mib;  // about half of what it uses at the peak
};
void PrintTo(const Loop& loop, std::ostream* out) {
  *out << loop.name;
}

struct Seen {
  support::Command command;
  support::Finished finished;
  nlohmann::json summary, report;
};

Seen run(const Loop& loop, support::Environment environment, int schedule) {
  const support::TemporaryFile summary(".json"), report(".json");
  Seen seen;
  seen.command.arguments = loop.command;
  seen.command.arguments[0] = support::program(loop.command[0]);
  seen.command.environment = std::move(environment);
  seen.command.environment["SIMCUDA_SEED"] = std::to_string(schedule);
  seen.command.environment["SIMCUDA_REPORT"] = report.path();
  seen.command.environment["SPILLWAY_SUMMARY"] = summary.path();
  seen.command.deadline = std::chrono::seconds(60 * support::slowness());
  seen.finished = support::run(seen.command);
  seen.summary = nlohmann::json::parse(summary.text(), nullptr, false);
  seen.report = nlohmann::json::parse(report.text(), nullptr, false);
  return seen;
}

class Loops : public testing::TestWithParam<Loop> {
 protected:
  void SetUp() override {
    alone_ = run(GetParam(), support::plain(support::Gpu::Simulated), 0);
    ASSERT_TRUE(alone_.finished.ok()) << alone_.finished.how() << "\n" << alone_.finished.err;
  }
  Seen run_short_of_memory(int schedule, bool lockstep) {
    support::Environment environment = support::interposed(support::Gpu::Simulated);
    environment["SPILLWAY_DEVICE_LIMIT"] = std::to_string(GetParam().budget_mib) + "MiB";
    environment["SPILLWAY_LOCKSTEP"] = lockstep ? "on" : "off";
    if (lockstep) environment["SIMCUDA_QUERY"] = "virtual";
    Seen seen = run(GetParam(), environment, schedule);
    SCOPED_TRACE(support::shell_line(seen.command) + "\n" + seen.finished.err);
    EXPECT_TRUE(seen.finished.ok()) << seen.finished.how();
    EXPECT_EQ(seen.finished.out, alone_.finished.out);
    EXPECT_GT(seen.summary.value("evictions", 0), 0);
    EXPECT_GT(seen.summary.value("fetches", 0), 0);
    return seen;
  }

 private:
  Seen alone_;
};

TEST_P(Loops, KeepEveryWordUnderAnySchedule) {
  for (int schedule = 0; schedule < (support::slowness() > 1 ? 2 : 4) && !HasFailure(); ++schedule)
    run_short_of_memory(schedule, false);
}

TEST_P(Loops, TakeTheSameTimeInLockStep) {
  const Seen one = run_short_of_memory(1, true), two = run_short_of_memory(2, true);
  if (HasFailure()) return;
  EXPECT_EQ(one.report.at("clock").at("virtual_ns"), two.report.at("clock").at("virtual_ns"));
  EXPECT_EQ(one.report.at("snapshots").size(), two.report.at("snapshots").size());
  for (size_t i = 0; i < one.report.at("snapshots").size(); ++i)
    EXPECT_EQ(one.report.at("snapshots")[i].at("virtual_ns"),
              two.report.at("snapshots")[i].at("virtual_ns"))
        << "iteration " << i;
}

INSTANTIATE_TEST_SUITE_P(
    Of, Loops,
    testing::Values(Loop{"Gpt", {"gpt", "2", "2", "4"}, 70}, Loop{"Unet", {"unet", "1", "3"}, 280},
                    Loop{"ScanThatChanges", {"scan", "12", "4", "4", "change"}, 24},
                    Loop{"ScanThatLooks", {"scan", "12", "4", "4", "look"}, 24},
                    Loop{"TwoPhases", {"two_phases", "8", "4", "4"}, 32}),
    [](const testing::TestParamInfo<Loop>& info) { return std::string(info.param.name); });

}  // namespace
