// SPDX-License-Identifier: Apache-2.0
// `spillway replay` as its users meet it: on workloads that are written down.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/process.h"
#include "tests/unit/folder.h"

namespace {

using nlohmann::json;
using support::Finished;
using testing::HasSubstr;

// Twenty tensors, each changed by a kernel of its own, round and round.
std::string scan() {
  std::string text = "spillway-workload 1 scan\n";
  for (int t = 0; t < 20; t++) text += "alloc t" + std::to_string(t) + " 64MiB\n";
  for (int lap = 0; lap < 12; lap++) {
    text += "iteration\n";
    for (int t = 0; t < 20; t++) text += "kernel change 1ms t" + std::to_string(t) + ":rw\n";
  }
  return text;
}

class Replay : public testing::Test {
 protected:
  std::string write(const std::string& text) {
    const std::string path = folder_.path + "/workload";
    std::ofstream(path) << text;
    return path;
  }
  Finished replay(std::vector<std::string> words) {
    words.insert(words.begin(), {SPILLWAY_COMMAND, "replay"});
    return support::run(
        {.arguments = std::move(words), .environment = {{"PATH", "/usr/bin:/bin"}}});
  }

 private:
  support::Folder folder_;
};

TEST_F(Replay, HoldsPoliciesAgainstEachOtherAndTheBound) {
  const std::string path = write(scan());
  const Finished told = replay({path, "--budget", "2x,50%,640MiB", "--json"});
  ASSERT_EQ(told.exit_code, 0) << told.err;
  const json all = json::parse(told.out);
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
  EXPECT_THAT(all["verdict"].get<std::string>(), HasSubstr("this job at this budget"));
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
  EXPECT_THAT(csv.out, HasSubstr("\n671088640,lru,"));
}

TEST_F(Replay, SaysWhatOneLaunchDoesNotFitInto) {
  const Finished told = replay({write(scan()), "--budget", "32MiB", "--policy", "lookahead"});
  EXPECT_EQ(told.exit_code, 0) << told.err;
  EXPECT_THAT(told.out, HasSubstr("one launch uses more than that"));
}

TEST_F(Replay, AnswersMistakesWithWhatWouldBeRight) {
  const std::string path = write(scan());
  const struct {
    std::vector<std::string> words;
    std::string said;
  } mistakes[] = {
      {{path, "--budget", "much"}, "--budget much: not a size"},
      {{path, "--budget", "0x"}, "--budget 0x: not a number"},
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
               {"no trace at all", "workload"},
               {"", "workload"}};
  for (const auto& file : files) {
    const Finished told = replay({write(file.text)});
    EXPECT_EQ(told.exit_code, 125) << file.text;
    EXPECT_THAT(told.err, HasSubstr(file.said));
  }
}

}  // namespace
