// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/world.h"

namespace integration {

void PrintTo(const Story& story, std::ostream* out) {
  *out << story.program << ' ' << story.name;
}

std::string by_story(const testing::TestParamInfo<Story>& info) {
  return info.param.name;
}

int schedules() {
  return support::slowness() > 1 ? 2 : 10;
}

World::World() : environment_(support::interposed(support::Gpu::Simulated)) {}

World& World::with(const std::string& name, const std::string& value) {
  environment_[name] = value;
  return *this;
}

World& World::without_the_library() {
  environment_ = support::plain(support::Gpu::Simulated);
  interposed_ = false;
  return *this;
}

Seen World::run(const std::string& program, const std::string& story, int schedule) const {
  const support::TemporaryFile summary(".json");
  Seen seen;
  seen.command.arguments = {support::program(program), story};
  seen.command.environment = environment_;
  seen.command.environment["SIMCUDA_SEED"] = std::to_string(schedule);
  if (interposed_) seen.command.environment["SPILLWAY_SUMMARY"] = summary.path();
  seen.command.deadline = std::chrono::seconds(30 * support::slowness());
  seen.finished = support::run(seen.command);
  seen.summary = nlohmann::json::parse(summary.text(), nullptr, false);
  if (!seen.summary.is_object()) seen.summary = nlohmann::json::object();
  return seen;
}

void World::under_every_schedule(const std::string& program, const std::string& story,
                                 const std::string* expected, const Also& also) const {
  for (int schedule = 0; schedule < schedules(); ++schedule) {
    const Seen seen = run(program, story, schedule);
    SCOPED_TRACE(support::shell_line(seen.command) + "\n" + seen.finished.err);
    ASSERT_TRUE(seen.finished.ok()) << seen.finished.how();
    ASSERT_EQ(seen.finished.out, expected != nullptr ? *expected : seen.finished.out);
    if (also) also(seen);
    if (testing::Test::HasFailure()) return;  // nine more of the same help nobody
  }
}

void World::tells_the_same(const std::string& program, const std::string& story,
                           const Also& also) const {
  World plain;
  plain.without_the_library();
  // How many devices there are is part of the story.
  if (const auto devices = environment_.find("SIMCUDA_DEVICES"); devices != environment_.end())
    plain.with(devices->first, devices->second);
  const Seen alone = plain.run(program, story);
  SCOPED_TRACE("without the library: " + support::shell_line(alone.command));
  ASSERT_TRUE(alone.finished.ok()) << alone.finished.how() << "\n" << alone.finished.err;
  under_every_schedule(program, story, &alone.finished.out, also);
}

void World::ends_well(const std::string& program, const std::string& story,
                      const Also& also) const {
  under_every_schedule(program, story, nullptr, also);
}

support::Finished run_tool(std::vector<std::string> arguments) {
  support::Command command;
  command.arguments = {support::build_directory() / "spillway"};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  command.environment = support::plain(support::Gpu::Simulated);
  return support::run(command);
}

void pushed_out(const Seen& seen) {
  EXPECT_GT(seen.count("evictions"), 0u) << seen.summary;
}

void moved(const Seen& seen) {
  pushed_out(seen);
  EXPECT_GT(seen.count("fetches"), 0u) << seen.summary;
}

void did_not_move(const Seen& seen) {
  EXPECT_EQ(seen.moves(), 0u) << seen.summary;
}

void said_nothing(const Seen& seen) {
  EXPECT_EQ(seen.finished.err, "");
}

}  // namespace integration
