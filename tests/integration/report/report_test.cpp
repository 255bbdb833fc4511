// SPDX-License-Identifier: Apache-2.0
// The page of `spillway trace report`, as a browser shows it: every chart has something drawn in
// it, nothing is complained about, nothing is wider than a telephone.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/integration/report/browser.h"
#include "tests/support/place.h"
#include "tests/unit/folder.h"
#include "tests/unit/trace_maker.h"

namespace {

namespace fs = std::filesystem;
namespace trace = spillway::trace;
using report::Look;
using report::Seen;
using spillway::Cause;
using support::TraceMaker;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kSecond = 1'000'000'000;

class a_page : public testing::Test {
 protected:
  void SetUp() override {
    if (!report::has_browser())
      GTEST_SKIP() << "no chromium is installed (Debian: apt-get install chromium)";
    fs::create_directories(shelf());
  }
  static fs::path shelf() { return support::build_directory() / "report"; }
  std::string file(const std::string& name) const { return folder_.path + "/" + name; }

  // Makes the page `name` of these traces and looks at it.
  Seen page_of(const std::string& name, const std::vector<std::string>& traces, int charts) const {
    const fs::path page = shelf() / (name + ".html");
    support::Command command;
    command.arguments = {support::build_directory() / "spillway", "trace", "report", "-o", page};
    command.arguments.insert(command.arguments.end(), traces.begin(), traces.end());
    command.environment = support::plain(support::Gpu::Simulated);
    const support::Finished made = support::run(command);
    EXPECT_TRUE(made.ok()) << made.err;
    Seen seen;
    for (const Look look : report::kLooks) {
      seen = report::look_at(page, look);
      const std::string where = name + ", " + report::name(look);
      EXPECT_TRUE(seen.loaded) << where << ": " << seen.failure;
      for (const std::string& line : seen.console) ADD_FAILURE() << where << ": " << line;
      EXPECT_EQ(seen.number("charts"), charts) << where;
      EXPECT_EQ(seen.number("drawn"), charts) << where;
      EXPECT_EQ(seen.number("overflow"), 0) << where << ": the page is wider than its window";
      report::photograph(page, look, std::max(300, seen.number("height")),
                         shelf() / (name + "-" + report::name(look) + ".png"));
    }
    std::printf("%s: %d charts, %zu bytes; pictures in %s\n", name.c_str(), charts,
                static_cast<size_t>(fs::file_size(page)), shelf().c_str());
    return seen;
  }

  static std::string about(int rank) {
    return R"("pid": 7)" + std::to_string(rank) + R"(, "program": "/usr/bin/train", "rank": ")" +
           std::to_string(rank) + R"(", "policy": "lru")";
  }

 private:
  support::Folder folder_;
};

void step(TraceMaker& made, double begin, uint64_t in, uint64_t out) {
  const uint64_t used[] = {in};
  made.at(begin + 0.3, trace::Evicted{{out, 0, 4 * kMiB, 0, Cause::Pressure, kSecond / 4}}, 1);
  made.at(begin + 0.4, trace::Fetched{{in, 0, 4 * kMiB, 0, Cause::Launch, kSecond / 5}}, 1);
  made.at(begin + 0.5, trace::Stalled{trace::StallFor::Data, kSecond / 2, 4 * kMiB, used});
  for (const char* kernel : {"forward", "backward", "update"})
    made.at(begin + 0.6, trace::Launched{TraceMaker::kernel(kernel), 1, 0, used});
}

// The charts of a process: memory, moves, waiting, life lines, link, kernels; and iterations.
constexpr int kAll = 6;

TEST_F(a_page, of_a_training_is_drawn_whole) {
  const std::string path = file("trace");
  support::Command training;
  training.arguments = {support::program("train_digits"), "--steps", "6", "--out", file("weights")};
  if (!fs::exists(training.arguments[0])) GTEST_SKIP() << "train_digits is not built";
  training.environment = support::interposed(support::Gpu::Simulated);
  training.environment["SIMCUDA_MEMORY"] = "27MiB";
  training.environment["SPILLWAY_TRACE"] = path;
  training.deadline = std::chrono::seconds(240) * support::slowness();
  const support::Finished finished = support::run(training);
  ASSERT_TRUE(finished.ok()) << finished.how() << "\n" << finished.err;
  const Seen seen = page_of("training", {path}, kAll);
  EXPECT_NE(seen.text.find("went out to the host"), std::string::npos);
}

TEST_F(a_page, of_several_ranks_shows_them_side_by_side) {
  std::vector<std::string> paths;
  for (int rank = 0; rank < 3; ++rank) {
    paths.push_back(file(std::to_string(rank)));
    TraceMaker made(paths.back(), about(rank));
    made.at(0, trace::Budget{0, 10 * kMiB, 64 * kMiB});
    for (uint64_t range = 1; range <= 4; ++range)
      made.at(0.1, trace::Allocated{range, 0, 4 * kMiB, 0, false});
    for (uint64_t round = 0; round < 10; ++round)
      step(made, static_cast<double>(round) * (1 + 0.2 * rank), round % 4 + 1, (round + 2) % 4 + 1);
  }
  const Seen seen = page_of("ranks", paths, 3 * (kAll + 1));
  for (const char* rank : {"rank 0", "rank 1", "rank 2", "Of 3 processes"})
    EXPECT_NE(seen.text.find(rank), std::string::npos) << rank;
}

TEST_F(a_page, where_nothing_moved_says_so) {
  {
    TraceMaker made(file("trace"), about(0));
    made.at(0, trace::Budget{0, 64 * kMiB, 64 * kMiB});
    const uint64_t used[] = {1};
    made.at(0.1, trace::Allocated{1, 0, 40 * kMiB, 0, false});
    for (int i = 0; i < 50; ++i)
      made.at(0.2 * i, trace::Launched{TraceMaker::kernel("k"), 1, 0, used});
  }
  const Seen seen = page_of("nothing-moved", {file("trace")}, 2);
  EXPECT_NE(seen.text.find("Spillway did not slow this program down"), std::string::npos);
}

TEST_F(a_page, without_launches_shows_the_memory) {
  {
    TraceMaker made(file("trace"), about(0));
    made.at(0, trace::Budget{0, 6 * kMiB, 64 * kMiB});
    for (uint64_t range = 1; range <= 3; ++range)
      made.at(static_cast<double>(range), trace::Allocated{range, 0, 4 * kMiB, 0, false});
    made.at(2, trace::Evicted{{1, 0, 4 * kMiB, 0, Cause::Allocation, kSecond / 2}});
  }
  const Seen seen = page_of("no-launches", {file("trace")}, 4);
  EXPECT_NE(seen.text.find("No kernel was launched."), std::string::npos);
}

TEST_F(a_page, of_an_empty_trace_is_a_page_nevertheless) {
  { TraceMaker made(file("trace"), about(0)); }
  const Seen seen = page_of("empty", {file("trace")}, 0);
  EXPECT_NE(seen.text.find("Nothing is in this trace"), std::string::npos);
}

// Whoever names a kernel shall not run a script in the browser of whoever looks at the trace.
TEST_F(a_page, lets_no_name_do_anything) {
  const std::string nasty[] = {"</script><script>console.error('run')</script>",
                               "<img src=x onerror=console.error('run')>", "\\u003c\"'&amp;${1}",
                               std::string(4000, 'W'), "\xff\xfe\xe2\x80\xa8"};
  {
    TraceMaker made(
        file("trace"),
        R"("pid": 7, "program": "/x/<img src=x onerror=console.error(1)>", "policy": "</script><b>", "rank": "<i>")");
    made.at(0, trace::Budget{0, 6 * kMiB, 64 * kMiB});
    made.at(0.1, trace::Allocated{1, 0, 8 * kMiB, 0, false});
    double time = 1;
    for (const std::string& name : nasty) {
      const uint64_t used[] = {1};
      time += 1;
      made.at(time, trace::Evicted{{1, 0, 4 * kMiB, 0, Cause::Pressure, kSecond / 2}});
      made.at(time, trace::Fetched{{1, 0, 4 * kMiB, 0, Cause::Launch, kSecond / 2}});
      made.at(time, trace::Stalled{trace::StallFor::Data, kSecond / 2, kMiB, used});
      made.at(time, trace::Launched{TraceMaker::kernel(name), 1, 0, used});
    }
  }
  const Seen seen = page_of("hostile", {file("trace")}, kAll);
  EXPECT_EQ(seen.text.find("<img"), std::string::npos);
}

// That the other tests would see it if a page went wrong.
TEST_F(a_page, that_fails_would_be_seen) {
  const fs::path page = file("broken.html");
  std::ofstream(page) << "<!DOCTYPE html><html><body><div style='width: 3000px'>x</div><script>"
                         "document.documentElement.dataset.overflow = String("
                         "document.documentElement.scrollWidth - innerWidth);"
                         "nothing.at.all();</script></body></html>";
  const Seen seen = report::look_at(page, Look::PhoneDark);
  EXPECT_TRUE(seen.loaded);
  EXPECT_EQ(seen.console.size(), 1u);
  EXPECT_GT(seen.number("overflow"), 2000);
}

}  // namespace
