// SPDX-License-Identifier: Apache-2.0
// `spillway trace timeline`, `diff` and `report`, from outside.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/support/place.h"
#include "tests/unit/folder.h"
#include "tests/unit/trace_maker.h"

namespace spillway {
namespace {

using nlohmann::json;
using support::Finished;
using support::Folder;
using support::read_file;
using support::TraceMaker;
using testing::HasSubstr;
using testing::Not;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kSecond = 1'000'000'000;

class TraceVerbs : public testing::Test {
 protected:
  std::string file(const std::string& name) const { return folder_.path + "/" + name; }

  Finished trace(std::vector<std::string> words) const {
    words.insert(words.begin(), {SPILLWAY_COMMAND, "trace"});
    return support::run({.arguments = std::move(words),
                         .environment = {{"PATH", "/usr/bin:/bin"}},
                         .deadline = std::chrono::seconds(120) * support::slowness()});
  }
  json parsed(const std::vector<std::string>& words) const {
    const Finished finished = trace(words);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return json::parse(finished.out);
  }

  // A loop over three ranges of which two fit; `each` seconds a round, a tenth of it waited for.
  std::string loop(const std::string& name, double each, int rounds = 10) const {
    TraceMaker made(file(name));
    made.at(0, trace::Budget{0, 8 * kMiB, 64 * kMiB});
    for (uint64_t range = 1; range <= 3; ++range)
      made.at(0, trace::Allocated{range, 0, 4 * kMiB, 0, false});
    for (int round = 0; round < rounds; ++round) {
      const double begin = 1 + each * round;
      const uint64_t in[] = {static_cast<uint64_t>(round) % 3 + 1};
      const uint64_t out = static_cast<uint64_t>(round + 2) % 3 + 1;
      const auto took = static_cast<uint64_t>(each * 1e8);
      made.at(begin, trace::Evicted{{out, 0, 4 * kMiB, 0, Cause::Pressure, took}}, 1);
      made.at(begin, trace::Fetched{{in[0], 0, 4 * kMiB, 0, Cause::Launch, took}}, 1);
      made.at(begin, trace::Stalled{trace::StallFor::Data, took, 4 * kMiB, in});
      made.at(begin, trace::Launched{TraceMaker::kernel("_Z4stepILi3EEvPf"), 1, 0, in});
    }
    return file(name);
  }

 private:
  Folder folder_;
};

size_t columns_of(std::string_view line) {
  return static_cast<size_t>(
      std::ranges::count_if(line, [](char c) { return (c & 0xc0) != 0x80; }));
}

TEST_F(TraceVerbs, TimelineFitsItsWidthAndAddsUp) {
  const std::string path = loop("trace", 1);
  for (const size_t width : {20, 60, 200}) {
    const Finished finished =
        trace({"timeline", path, "--rows", "4", "--width", std::to_string(width)});
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_THAT(finished.out, HasSubstr("12.0 MiB"));
    EXPECT_THAT(finished.out, HasSubstr("8.0 MiB ├─"));
    EXPECT_THAT(finished.out, HasSubstr("█"));
    std::istringstream lines(finished.out);
    std::string line;
    for (std::getline(lines, line); std::getline(lines, line);) {
      if (line.find_first_of("0123456789") == line.npos || line.find("from") != line.npos) continue;
      if (line.find("│") == line.npos && line.find("├") == line.npos) continue;
      EXPECT_LE(columns_of(line), std::max<size_t>(width, 21)) << line;
    }
  }
  const json rows = parsed({"timeline", "--json", "--rows", "4", path}).at(0).at("rows");
  ASSERT_EQ(rows.size(), 4u);
  uint64_t out = 0, launches = 0, waited = 0;
  for (const json& row : rows) {
    out += row.at("out_bytes").get<uint64_t>();
    launches += row.at("launches").get<uint64_t>();
    waited += row.at("waited_ns").get<uint64_t>();
    EXPECT_EQ(row.at("budget"), 8 * kMiB);
  }
  EXPECT_EQ(out, 40 * kMiB);
  EXPECT_EQ(launches, 10u);
  EXPECT_EQ(waited, kSecond);
}

TEST_F(TraceVerbs, TimelineShowsSeveralFilesOneAfterAnother) {
  const std::string first = loop("first", 1), second = loop("second", 1);
  const Finished finished = trace({"timeline", first, second});
  EXPECT_LT(finished.out.find(first), finished.out.find(second));
}

TEST_F(TraceVerbs, DiffSaysWhichIsBetterAndWhy) {
  const std::string slow = loop("slow", 2), fast = loop("fast", 1);
  const Finished finished = trace({"diff", slow, fast});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.out,
              HasSubstr("B is better: it takes 10.00 s instead of 19.00 s (47% less)"));
  EXPECT_THAT(finished.out, HasSubstr("step<3>"));
  const json all = parsed({"diff", "--json", fast, slow});
  EXPECT_EQ(all.at("better"), "A");
  EXPECT_EQ(all.at("kernels").at(0).at("a_ns"), kSecond);
  EXPECT_EQ(all.at("kernels").at(0).at("b_ns"), 2 * kSecond);
  const json same = parsed({"diff", "--json", slow, slow});
  EXPECT_TRUE(same.at("better").is_null());
  EXPECT_TRUE(same.at("kernels").empty());
  EXPECT_THAT(trace({"diff", slow, loop("short", 1, 5)}).out, HasSubstr("did not do the same"));
}

TEST_F(TraceVerbs, ReportHasEverythingInsideAndNothingOfTheNamesIsMarkup) {
  const std::string nasty = "</script><script>alert(1)</script><!--\x1b[31m\xff";
  {
    TraceMaker made(file("trace"), R"("pid": 7, "program": "/x/<b>&\"'</script>", "policy": 3)");
    const uint64_t range[] = {1};
    made.at(1, trace::Stalled{trace::StallFor::Data, kSecond, kMiB, range});
    made.at(1, trace::Launched{TraceMaker::kernel(nasty), 1, 0, range});
    made.at(2, trace::Allocated{1, 0, kMiB, 0, false});
    made.at(3, trace::Evicted{{1, 0, kMiB, 0, static_cast<Cause>(200), 1}});
  }
  ASSERT_EQ(trace({"report", file("trace"), "-o", file("page.html")}).exit_code, 0);
  const std::string page = read_file(file("page.html"));
  EXPECT_THAT(page, Not(HasSubstr("alert(1)<")));
  EXPECT_THAT(page, Not(HasSubstr("@@")));
  EXPECT_THAT(page, HasSubstr("Permission is hereby granted"));
  EXPECT_THAT(page, HasSubstr("\\u003c/script\\u003e"));
  const size_t opened = page.find("id=\"data\">"), data = opened + 10;
  ASSERT_NE(opened, page.npos);
  const json told = json::parse(page.substr(data, page.find("</script>", data) - data));
  EXPECT_EQ(told.at("processes").at(0).at("kernels").at(0).at("name"),
            "</script><script>alert(1)</script><!--?[31m\xef\xbf\xbd");
  EXPECT_EQ(told.at("processes").at(0).at("link").at("out").at("causes").at("other"), kMiB);
  for (const char* verb : {"summary", "blame", "timeline", "dump"}) {
    const Finished finished = trace({verb, file("trace")});
    EXPECT_EQ(finished.exit_code, 0) << verb << finished.err;
    EXPECT_THAT(finished.out, Not(HasSubstr("\x1b"))) << verb;
  }
}

// A few hundred characters of a name may stand for more than any memory holds.
TEST_F(TraceVerbs, ANameThatGrowsWithoutEndIsShownAsItIs) {
  std::string name = "_Z1f1A1PIS_S_E";
  for (int i = 1; i < 36; ++i) {
    const char digit = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i];
    name += std::string("S0_IS") + digit + "_S" + digit + "_E";
  }
  {
    TraceMaker made(file("trace"));
    made.at(1, trace::Stalled{trace::StallFor::Data, kSecond, kMiB, {}});
    made.at(1, trace::Launched{TraceMaker::kernel(name), 1, 0, {}});
  }
  EXPECT_THAT(trace({"blame", file("trace")}).out, HasSubstr("_Z1f1A1P"));
}

TEST_F(TraceVerbs, EveryCutOfATraceIsShownAsFarAsItGoes) {
  const std::string whole = read_file(loop("whole", 1));
  std::mt19937 random(1);
  for (int trial = 0; trial < 10; ++trial) {
    std::ofstream(file("cut"), std::ios::binary)
        << whole.substr(0, whole.find("SPWB") + random() % (whole.size() - whole.find("SPWB")));
    for (const char* verb : {"timeline", "report"}) {
      const Finished finished = trace({verb, file("cut"), verb[0] == 'r' ? "-o" : "--json",
                                       verb[0] == 'r' ? file("page.html") : file("whole")});
      EXPECT_EQ(finished.exit_code, 0) << finished.err;
    }
  }
  for (const std::string verb : {"timeline", "report"}) {
    const Finished none = trace({verb, "/dev/null"});
    EXPECT_EQ(none.exit_code, 125);
    EXPECT_THAT(none.err, HasSubstr("/dev/null: is empty"));
  }
  EXPECT_EQ(trace({"diff", file("whole"), file("none")}).exit_code, 125);
  const Finished nowhere = trace({"report", file("whole"), "-o", "/nowhere/page.html"});
  EXPECT_EQ(nowhere.exit_code, 125);
  EXPECT_THAT(nowhere.err, HasSubstr("/nowhere/page.html: No such file or directory"));
}

// Sound blocks, and in them what no program does.
TEST_F(TraceVerbs, ATraceOfNonsenseEndsWell) {
  for (unsigned seed = 0; seed < 6; ++seed) {
    std::mt19937_64 random(seed);
    const auto number = [&]() -> uint64_t {
      switch (random() % 4) {
        case 0:
          return random() % 8;
        case 1:
          return ~uint64_t{0} - random() % 3;
        case 2:
          return random() % (1 << 30);
        default:
          return random();
      }
    };
    {
      TraceMaker made(file("trace"));
      for (int i = 0; i < 2000; ++i) {
        const uint64_t list[] = {number(), number()};
        const trace::Moved move{
            number(), number(), number(), number(), static_cast<Cause>(random()), number()};
        // At any time whatever, in some of them.
        const double time = seed % 2 ? static_cast<double>(random() % 18'000'000'000)
                                     : static_cast<double>(random() % 100);
        made.at(time, trace::Budget{number(), number(), number()}, 0)
            .at(time, trace::Allocated{number(), number(), number(), number(), true}, 1)
            .at(time, trace::Freed{number()}, 2)
            .at(time, trace::Launched{number(), number(), number(), list}, 3)
            .at(time, trace::Evicted{move}, 1)
            .at(time, trace::Fetched{move}, 2)
            .at(time,
                trace::Stalled{static_cast<trace::StallFor>(random()), number(), number(), list},
                3);
      }
    }
    for (const std::string verb : {"summary", "timeline", "blame", "report"}) {
      std::vector<std::string> words = {verb, file("trace")};
      if (verb == "report") words.insert(words.end(), {"-o", file("page.html")});
      const Finished finished = trace(words);
      EXPECT_EQ(finished.exit_code, 0) << verb << seed << finished.how() << finished.err;
    }
    EXPECT_EQ(trace({"diff", file("trace"), file("trace")}).exit_code, 0);
  }
}

// Of the programs that were run: other programs of the machine do not count.
double processor_seconds() {
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

// A million allocations, each used, moved and freed: four million events.
TEST_F(TraceVerbs, AMillionRangesTakeSecondsAndASmallPage) {
  const uint64_t ranges = 1'000'000 / static_cast<uint64_t>(support::slowness());
  {
    TraceMaker made(file("trace"));
    std::mt19937_64 random(9);
    made.at(0, trace::Budget{0, 1000 * kMiB, 64 * kMiB});
    for (uint64_t range = 1; range <= ranges; ++range) {
      const double time = static_cast<double>(range) * 1e-5;
      const uint64_t used[] = {range};
      made.at(time, trace::Allocated{range, 0, (2 + random() % 8) * kMiB, 0, false});
      made.at(time, trace::Launched{TraceMaker::kernel("step"), 1, 0, used});
      made.at(time, trace::Evicted{{range, 0, 2 * kMiB, 0, Cause::Pressure, random() % 1000000}},
              1);
      if (range > 500) made.at(time, trace::Freed{range - 500});
    }
  }
  for (const std::string verb : {"summary", "timeline", "report"}) {
    const double before = processor_seconds();
    std::vector<std::string> words = {verb, file("trace")};
    if (verb == "report") words.insert(words.end(), {"-o", file("page.html")});
    const Finished finished = trace(words);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_EQ(finished.err, "");
    const double took = processor_seconds() - before;
    std::printf("%s of %llu ranges: %.1f s\n", verb.c_str(),
                static_cast<unsigned long long>(ranges), took);
    EXPECT_LT(took, 20);
  }
  EXPECT_LT(std::filesystem::file_size(file("page.html")), 2u << 20);
}

// Many ranks in one page: detail is given up for size.
TEST_F(TraceVerbs, APageOfManyRanksStaysSmall) {
  std::vector<std::string> words = {"report"};
  for (int rank = 0; rank < 40; ++rank) {
    const std::string path = file(std::to_string(rank));
    TraceMaker made(path, R"("pid": 7, "program": "p", "policy": "lru", "rank": ")" +
                              std::to_string(rank) + "\"");
    std::mt19937_64 random(static_cast<uint64_t>(rank));
    for (uint64_t i = 0; i < 3000; ++i) {
      const double time = static_cast<double>(i) * 1e-2;
      if (i < 30) made.at(0, trace::Allocated{i + 1, 0, 8 * kMiB, 0, false});
      const trace::Moved move{
          i % 30 + 1,       0, random() % (8 * kMiB), 0, static_cast<Cause>(random() % 10),
          random() % 100000};
      made.at(time, trace::Evicted{move}).at(time + 1e-3, trace::Fetched{move});
    }
    words.push_back(path);
  }
  words.insert(words.end(), {"-o", file("page.html")});
  ASSERT_EQ(trace(words).exit_code, 0);
  EXPECT_LT(std::filesystem::file_size(file("page.html")), 2u << 20);
}

}  // namespace
}  // namespace spillway
