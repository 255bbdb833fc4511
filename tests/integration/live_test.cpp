// SPDX-License-Identifier: Apache-2.0
// A running job is seen by `spillway top`, by nobody else, and not after its end.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/integration/world.h"

using namespace integration;

namespace {

std::string top() {
  return (support::build_directory() / "spillway").string() + " top";
}

// The watched job: its process, and what the command said.
struct Watched {
  uint64_t pid = 0;
  std::string said;
};

Watched watch(World world, const std::string& command) {
  const Seen seen = world.device(24_MiB)
                        .budget(16_MiB)
                        .with("WATCHER", command)
                        .run("processes", "watched_by_a_command");
  EXPECT_TRUE(seen.finished.ok()) << seen.finished.err;
  Watched watched;
  std::istringstream out(seen.finished.out);
  std::string line;
  std::getline(out, line);
  watched.pid = std::stoull(line);
  std::getline(out, watched.said, '\0');
  return watched;
}

TEST(a_running_job, is_shown_with_its_figures) {
  const Watched watched = watch(World(), top() + " --json");
  const auto jobs = nlohmann::json::parse(watched.said);
  const auto job = std::ranges::find_if(
      jobs, [&](const auto& one) { return one.at("pid").template get<uint64_t>() == watched.pid; });
  ASSERT_NE(job, jobs.end()) << watched.said;
  EXPECT_EQ(job->at("program"), "processes");
  const auto& figures = job->at("figures");
  EXPECT_EQ(figures.at("device_limit").get<uint64_t>(), 16_MiB);
  EXPECT_EQ(figures.at("device_live_bytes").get<uint64_t>(), 28_MiB);
  EXPECT_GT(figures.at("moved_out_bytes").get<uint64_t>(), 0u);
}

TEST(a_running_job, is_in_the_table) {
  const Watched watched = watch(World(), top() + " --once");
  EXPECT_NE(watched.said.find(std::to_string(watched.pid)), std::string::npos) << watched.said;
  EXPECT_NE(watched.said.find("PROGRAM"), std::string::npos) << watched.said;
}

TEST(a_running_job, is_hidden_where_the_user_says_so) {
  const Watched watched = watch(World().with("SPILLWAY_LIVE", "off"), top() + " --json");
  EXPECT_EQ(watched.said.find("\"pid\": " + std::to_string(watched.pid)), std::string::npos)
      << watched.said;
}

std::string page_of(uint64_t pid) {
  return "/dev/shm/spillway." + std::to_string(getuid()) + "." + std::to_string(pid);
}

TEST(a_live_page, is_its_owners_alone_and_gone_at_the_end) {
  const Watched watched = watch(World(), "stat -c %a /dev/shm/spillway.*.$PPID");
  EXPECT_EQ(watched.said, "600\n");
  EXPECT_FALSE(std::filesystem::exists(page_of(watched.pid)));
}

TEST(a_live_page, that_a_killed_process_left_is_removed) {
  const Watched watched = watch(World(), "true");
  const std::string stale = page_of(watched.pid);  // no such process any more
  { std::ofstream(stale) << "rubbish"; }
  EXPECT_TRUE(run_tool({"top", "--once"}).ok());
  EXPECT_FALSE(std::filesystem::exists(stale));
}

TEST(a_live_page, of_rubbish_is_not_shown) {
  const std::string page = page_of(static_cast<uint64_t>(getpid()));
  for (const size_t size : {size_t{0}, size_t{100}, size_t{4096}, size_t{1} << 20}) {
    { std::ofstream(page) << std::string(size, '\xff'); }
    chmod(page.c_str(), 0600);
    const support::Finished finished = run_tool({"top", "--json"});
    EXPECT_TRUE(finished.ok()) << finished.err;
    EXPECT_EQ(finished.out.find("\"pid\": " + std::to_string(getpid())), std::string::npos);
  }
  std::filesystem::remove(page);
}

}  // namespace
