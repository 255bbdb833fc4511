// SPDX-License-Identifier: Apache-2.0
// `spillway replay` as its users meet it: on workloads that are written down, and on traces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/support/place.h"
#include "tests/unit/folder.h"
#include "tests/unit/trace_maker.h"

namespace spillway {
namespace {

using nlohmann::json;
using support::Finished;
using support::TraceMaker;
using testing::HasSubstr;

constexpr uint64_t kMiB = 1 << 20;

// Twenty tensors, each changed by a kernel of its own, round and round.
std::string scan(int laps = 12) {
  std::string text = "spillway-workload 1 scan\n";
  for (int t = 0; t < 20; t++) text += "alloc t" + std::to_string(t) + " 64MiB\n";
  for (int lap = 0; lap < laps; lap++) {
    text += "iteration\n";
    for (int t = 0; t < 20; t++) text += "kernel change 1ms t" + std::to_string(t) + ":rw\n";
  }
  return text;
}

// Weights that last, activations that each lap makes, and one that it leaves to the next.
std::string training(int laps) {
  std::string text = "spillway-workload 1 training\nalloc left-1 64MiB\nkernel load 1ms left-1:w\n";
  for (int t = 0; t < 8; t++) text += "alloc w" + std::to_string(t) + " 96MiB\n";
  for (int lap = 0; lap < laps; lap++) {
    const std::string last = "left" + std::to_string(lap - 1), next = "left" + std::to_string(lap);
    text += "iteration\nkernel take 500us " + last + ":r w0:rw\nfree " + last + "\n";
    for (int t = 0; t < 8; t++) {
      const std::string n = std::to_string(t);
      text += "alloc a" + n + " 128MiB\nkernel forward 2ms w" + n + ":r a" + n + ":w\n";
    }
    text += "alloc " + next + " 64MiB\n";
    for (int t = 8; t-- > 0;) {
      const std::string n = std::to_string(t);
      text += "kernel backward 3ms a" + n + ":r w" + n + ":rw " + next + ":rw\nfree a" + n + "\n";
    }
  }
  return text + "iteration\n";
}

class Replay : public testing::Test {
 protected:
  std::string file(const std::string& name) const { return folder_.path + "/" + name; }
  std::string write(const std::string& text) {
    const std::string path = file("text");
    std::ofstream(path) << text;
    return path;
  }
  Finished replay(std::vector<std::string> words) {
    words.insert(words.begin(), {SPILLWAY_COMMAND, "replay"});
    return support::run({.arguments = std::move(words),
                         .environment = {{"PATH", "/usr/bin:/bin"}},
                         .deadline = std::chrono::seconds(60) * support::slowness()});
  }
  json parsed(std::vector<std::string> words) {
    words.emplace_back("--json");
    const Finished told = replay(words);
    EXPECT_EQ(told.exit_code, 0) << told.err;
    return json::parse(told.out);
  }

 private:
  support::Folder folder_;
};

TEST_F(Replay, HoldsPoliciesAgainstEachOtherAndTheBound) {
  const std::string path = write(scan());
  const json all = parsed({path, "--budget", "2x,50%,640MiB"});
  EXPECT_EQ(all["peak"], 20u * 64 << 20);
  EXPECT_EQ(all["kernels"], 20);
  double demand = 0, ahead = 0;
  for (const json& row : all["rows"]) {
    EXPECT_EQ(row["budget"], 640u << 20);
    EXPECT_TRUE(row["done"]);
    EXPECT_EQ(row["lb0_ns"], 20'000'000);
    EXPECT_GE(row["lap_ns"].get<double>(), 0.99 * row["lb2_ns"].get<double>());
    if (row["policy"] == "lru-on-demand") demand = row["lap_ns"];
    if (row["policy"] == "lookahead") ahead = row["lap_ns"];
  }
  EXPECT_GT(demand, 2 * ahead);
  EXPECT_EQ(all["verdict"]["policy"], "lookahead");
  EXPECT_DOUBLE_EQ(all["verdict"]["measured"].get<double>(), ahead / 20e6);
  EXPECT_THAT(all["verdict"]["text"].get<std::string>(), HasSubstr("this job at this budget"));
}

// What follows the last mark is no iteration, unless it is as long as one.
TEST_F(Replay, MeasuresIterationsThatAreWhole) {
  const std::vector<std::string> options = {"--budget", "2x", "--policy", "lru"};
  for (const std::string end : {"", "iteration\n", "iteration\nkernel change 90ms t0:rw\n"}) {
    std::vector<std::string> words = {write(scan(2) + end)};
    words.insert(words.end(), options.begin(), options.end());
    const double ns = parsed(words)["rows"][0]["lap_ns"];
    EXPECT_GT(ns, 20e6) << end;
    EXPECT_LT(ns, 40e6) << end;
  }
}

TEST_F(Replay, RepeatsAnIterationAsTheJobWould) {
  const auto rows = [&](int written, const std::string& laps) {
    json all = parsed({write(training(written)), "--budget", "1.5x,3x", "--laps", laps});
    for (json& row : all["rows"]) row.erase("launches_per_second");
    return all;
  };
  const json recorded = rows(20, "20"), repeated = rows(3, "20"), cut = rows(30, "20");
  EXPECT_EQ(recorded["laps"], 20);
  EXPECT_GT(recorded["rows"][0]["in_bytes"], 0);
  EXPECT_EQ(repeated, recorded);
  EXPECT_EQ(cut, recorded);
  const Finished once = replay({write(training(1)), "--laps", "5"});
  EXPECT_EQ(once.exit_code, 125);
  EXPECT_THAT(once.err, HasSubstr("--laps 5: there are 1, and none that could be repeated"));
}

TEST_F(Replay, TakesAJobThatDoesNotRepeatAsOneIteration) {
  const std::string path = write(
      "spillway-workload 1\nalloc a 64MiB\nkernel x 1ms a:w\n"
      "alloc b 64MiB\nkernel y 1ms b:w\nkernel z 1ms a:r\n");
  const json all = parsed({path, "--budget", "64MiB", "--policy", "lru"});
  EXPECT_EQ(all["laps"], 1);
  EXPECT_EQ(all["rows"][0]["in_bytes"], 64 * kMiB);
  EXPECT_FALSE(all["rows"][0].contains("lb2_ns"));
  EXPECT_THAT(all["verdict"]["text"].get<std::string>(), HasSubstr("no bound"));
}

// Ten rounds over four ranges, each used by a launch every 10 ms.
TEST_F(Replay, ReadsTraces) {
  {
    TraceMaker made(file("trace"));
    for (uint64_t range = 1; range <= 4; ++range)
      made.at(0, trace::Allocated{range, 0, 64 * kMiB, 0, false});
    for (int launch = 0; launch < 40; ++launch) {
      const uint64_t used[] = {static_cast<uint64_t>(launch) % 4 + 1};
      const uint64_t kernel = TraceMaker::kernel("step" + std::to_string(used[0]));
      made.at(1 + launch * 0.01, trace::Launched{kernel, 1, 0, used});
    }
  }
  const json all = parsed({file("trace"), "--budget", "128MiB", "--policy", "lru"});
  EXPECT_EQ(all["peak"], 256 * kMiB);
  EXPECT_EQ(all["kernels"], 4);
  EXPECT_NEAR(all["rows"][0]["lb0_ns"].get<double>(), 40e6, 1e3);
  EXPECT_EQ(all["rows"][0]["in_bytes"], 256 * kMiB) << "the one that is next has always just left";
  EXPECT_THAT(replay({file("trace")}).out, HasSubstr("256.0 MiB at the peak, 4 launches"));
}

// Sound blocks, and in them what no program does.
TEST_F(Replay, ATraceOfNonsenseEndsWell) {
  for (unsigned seed = 0; seed < 8; ++seed) {
    std::mt19937_64 random(seed);
    const auto number = [&](uint64_t most) { return random() % most; };
    {
      TraceMaker made(file("trace"));
      const uint64_t most = seed % 4 == 3 ? ~uint64_t{0} : uint64_t{1} << (20 + 10 * (seed % 4));
      for (int i = 0; i < 1000; ++i) {
        const double time = static_cast<double>(number(100));
        const uint64_t used[] = {number(20), number(20)};
        made.at(time, trace::Allocated{number(20), 0, number(most), 0, false}, number(2))
            .at(time, trace::Freed{number(20)}, 2)
            .at(time, trace::Launched{number(8), number(8), 0, used}, 3);
      }
    }
    const Finished told = replay({file("trace"), "--laps", std::to_string(1 + number(50))});
    EXPECT_TRUE(told.exit_code == 0 || told.exit_code == 125) << seed << told.how();
    EXPECT_THAT(told.err, testing::Not(HasSubstr("bad_alloc"))) << seed;
  }
}

TEST_F(Replay, SpeaksToPeopleAndAsCsv) {
  const std::string path = write(scan());
  const Finished told =
      replay({path, "--budget", "2x", "--link", "20,20", "--policy", "lru,lookahead"});
  ASSERT_EQ(told.exit_code, 0) << told.err;
  EXPECT_THAT(told.out,
              HasSubstr("1.2 GiB at the peak, 20 launches an iteration, link 20 GB/s in"));
  EXPECT_THAT(told.out, HasSubstr("at 2x: this job at this budget cannot run faster than"));
  EXPECT_THAT(told.out, HasSubstr("lookahead takes"));
  const Finished csv = replay({path, "--budget", "2x", "--policy", "lru", "--csv"});
  EXPECT_THAT(csv.out, HasSubstr("\n671088640,lru,true,"));
}

TEST_F(Replay, SaysWhatOneLaunchDoesNotFitInto) {
  const Finished told = replay({write(scan()), "--budget", "32MiB", "--policy", "lookahead"});
  EXPECT_EQ(told.exit_code, 0) << told.err;
  EXPECT_THAT(told.out, HasSubstr("one launch uses more than that"));
  EXPECT_THAT(told.out, HasSubstr("; 32 MiB more would allow"));
  const Finished csv = replay({write(scan()), "--budget", "32MiB", "--policy", "lru", "--csv"});
  EXPECT_THAT(csv.out, HasSubstr("\n33554432,lru,false,,20000000,,,,,\n"));
}

TEST_F(Replay, AnswersMistakesWithWhatWouldBeRight) {
  const std::string path = write(scan());
  const struct {
    std::vector<std::string> words;
    std::string said;
  } mistakes[] = {
      {{path, "--budget", "much"}, "--budget much: not a size"},
      {{path, "--budget", "0x"}, "--budget 0x: not a number"},
      {{path, "--budget", "2x,"}, "--budget '': not a size"},
      {{path, "--budget", "2PiB"}, "--budget 2PiB: not at most 1.0 PiB"},
      {{path, "--budget", "0x10x"}, "--budget 0x10x: not a number"},
      {{path, "--piece", "50%"}, "--piece 50%: not a number of bytes"},
      {{path, "--piece", "1"}, "pieces of 1 B would be needed: --piece can be larger"},
      {{path, "--laps", "0"}, "--laps"},
      {{path, "--csv", "--json"}, "--csv excludes --json"},
      {{path, "--policy", "luck"}, "--policy luck: not one of lru-on-demand, lru, clock"},
      {{path, "--link", "wire"}, "--link wire: not one of h200-pcie5"},
      {{path, "--link", "10,20,5"}, "--link 10,20,5: not BOTH between"},
      {{path + "-none"}, "-none: cannot be read"},
  };
  for (const auto& mistake : mistakes) {
    const Finished told = replay(mistake.words);
    EXPECT_EQ(told.exit_code, 125) << mistake.said;
    EXPECT_THAT(told.err, HasSubstr(mistake.said));
    EXPECT_EQ(told.out, "");
  }
}

TEST_F(Replay, AnswersFilesThatAreNone) {
  const struct {
    std::string text, said;
  } files[] = {{"spillway-workload 1\nfree x\n", "line 2"},
               {"spillway-workload 1\n", "nothing is allocated in it"},
               {"spillway-workload 1\nalloc x 2000GiB\n", "line 2"},
               {"no trace at all", "not a trace"},
               {"", "is empty"}};
  for (const auto& file : files) {
    const Finished told = replay({write(file.text)});
    EXPECT_EQ(told.exit_code, 125) << file.text;
    EXPECT_THAT(told.err, HasSubstr(file.said));
  }
}

}  // namespace
}  // namespace spillway
