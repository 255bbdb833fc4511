// SPDX-License-Identifier: Apache-2.0
#include "runtime/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <set>

namespace spillway {

void PrintTo(const OptionInfo& option, std::ostream* out) {
  *out << option.field;
}

namespace {

struct Loaded {
  Config config;
  std::vector<std::string> complaints;
};

Loaded load(std::vector<const char*> environment) {
  environment.push_back(nullptr);
  Loaded out;
  out.config = load_config(environment.data(), [&](std::string_view sentence) {
    out.complaints.emplace_back(sentence);
  });
  return out;
}

const OptionInfo& option(std::string_view field) {
  for (const OptionInfo& candidate : options()) {
    if (candidate.field == field) return candidate;
  }
  throw std::runtime_error("no such option");
}

// --- every row ----------------------------------------------------------------------------------

class EveryOption : public testing::TestWithParam<OptionInfo> {};

TEST_P(EveryOption, HasADefaultThatItsOwnParserReadsAndPrints) {
  const OptionInfo& info = GetParam();
  Config config = default_config();
  EXPECT_TRUE(info.set(config, info.fallback));
  EXPECT_EQ(info.value(config), info.fallback);
}

TEST_P(EveryOption, IsNamedAfterItsFieldAndExplained) {
  const OptionInfo& info = GetParam();
  std::string env = "SPILLWAY_";
  for (const char c : info.field) env += static_cast<char>(toupper(c));
  EXPECT_EQ(info.env, env);
  EXPECT_TRUE(info.doc.ends_with('.')) << info.doc;
  EXPECT_FALSE(info.syntax().empty());
}

TEST_P(EveryOption, ABadValueNamesVariableValueAndSyntaxAndTheDefaultStands) {
  const OptionInfo& info = GetParam();
  const std::string setting = std::string(info.env) + "=no such thing";
  const Loaded loaded = load({setting.c_str()});
  if (info.syntax().starts_with("a path")) {  // every text is one
    EXPECT_TRUE(loaded.complaints.empty());
    EXPECT_EQ(info.value(loaded.config), "no such thing");
    return;
  }
  ASSERT_EQ(loaded.complaints.size(), 1u);
  EXPECT_EQ(loaded.complaints[0], setting + ": not " + info.syntax() + "; the default " +
                                      std::string(info.fallback) + " stands");
  EXPECT_EQ(info.value(loaded.config), info.fallback);
}

TEST_P(EveryOption, AnEmptyValueIsNoValue) {
  const std::string setting = std::string(GetParam().env) + "=";
  const Loaded loaded = load({setting.c_str()});
  EXPECT_TRUE(loaded.complaints.empty());
  EXPECT_EQ(GetParam().value(loaded.config), GetParam().fallback);
}

INSTANTIATE_TEST_SUITE_P(Config, EveryOption, testing::ValuesIn(options().begin(), options().end()),
                         [](const auto& info) { return std::string(info.param.field); });

// --- values -------------------------------------------------------------------------------------

TEST(Config, ReadsWhatIsSetAndLeavesTheRest) {
  const Loaded loaded =
      load({"PATH=/bin", "SPILLWAY_DEVICE_LIMIT=12GiB", "SPILLWAY_HOST_LIMIT=62.5%",
            "SPILLWAY_POLICY=clock", "SPILLWAY_LOG=debug", "SPILLWAY_IN_PLACE=off",
            "SPILLWAY_SUMMARY=/tmp/run-%p.json", "SPILLWAY_BANNER=yes"});
  EXPECT_TRUE(loaded.complaints.empty());
  EXPECT_EQ(loaded.config.device_limit.of(80ull << 30), 12ull << 30);
  EXPECT_EQ(loaded.config.host_limit.of(1000), 625u);
  EXPECT_EQ(loaded.config.policy.entry, policy::find_policy("clock"));
  EXPECT_EQ(loaded.config.log, LogLevel::Debug);
  EXPECT_EQ(loaded.config.in_place, InPlace::Off);
  EXPECT_EQ(loaded.config.summary.text, "/tmp/run-%p.json");
  EXPECT_TRUE(loaded.config.banner);
  EXPECT_TRUE(loaded.config.enable);
  EXPECT_EQ(loaded.config.min_size.count, 2u << 20);
}

TEST(Config, TheDefaultsAreThoseOfTheIssue) {
  const Config config = default_config();
  EXPECT_TRUE(config.enable);
  EXPECT_TRUE(config.presets);
  EXPECT_FALSE(config.banner);
  EXPECT_EQ(config.device_limit.of(100), 95u);
  EXPECT_EQ(config.host_limit.of(100), 80u);
  EXPECT_EQ(config.arena.count, 1ull << 40);
  EXPECT_EQ(config.report, MemoryReport::Virtual);
  EXPECT_EQ(config.policy.entry, policy::find_policy("lookahead"));
}

TEST(Config, AnEnvironmentThatIsNotThereGivesTheDefaults) {
  const Config config = load_config(nullptr, [](std::string_view) { FAIL(); });
  for (const OptionInfo& info : options()) EXPECT_EQ(info.value(config), info.fallback);
}

TEST(Config, SwitchesAreForgivingAndOtherWordsAreNot) {
  for (const char* text : {"on", "1", "yes", "true"}) {
    Config config{};
    EXPECT_TRUE(option("banner").set(config, text)) << text;
    EXPECT_TRUE(config.banner) << text;
  }
  for (const char* text : {"off", "0", "no", "false"}) {
    Config config = default_config();
    EXPECT_TRUE(option("enable").set(config, text)) << text;
    EXPECT_FALSE(config.enable) << text;
  }
  Config config = default_config();
  for (const char* text : {"", "2", "offf", "enabled", "on "}) {
    EXPECT_FALSE(option("enable").set(config, text)) << text;
    EXPECT_TRUE(config.enable);
  }
}

TEST(Limit, IsAShareOfATotalOrANumberOfBytesNeverMoreThanTheTotal) {
  Limit limit;
  ASSERT_TRUE(parse("33.3333%", limit));
  EXPECT_EQ(limit.of(3000000), 999999u);
  EXPECT_EQ(to_text(limit), "33.3333%");
  ASSERT_TRUE(parse("100%", limit));
  EXPECT_EQ(limit.of(UINT64_MAX), UINT64_MAX);
  EXPECT_EQ(to_text(limit), "100%");
  ASSERT_TRUE(parse("0.5%", limit));
  EXPECT_EQ(to_text(limit), "0.5%");
  ASSERT_TRUE(parse("8GiB", limit));
  EXPECT_EQ(limit.of(4ull << 30), 4ull << 30);
  EXPECT_EQ(to_text(limit), "8GiB");
  const Limit before = limit;
  for (const char* text : {"0", "0%", "100.0001%", "101%", "-5%", "%", "5 %", "5%%", "", "most"}) {
    EXPECT_FALSE(parse(text, limit)) << text;
    EXPECT_EQ(limit, before) << text;
  }
}

TEST(Path, PutsTheProcessIdWhereItIsAskedTo) {
  const std::string pid = std::to_string(getpid());
  EXPECT_EQ(Path{"a-%p.json"}.expanded(), "a-" + pid + ".json");
  EXPECT_EQ(Path{"%p%p"}.expanded(), pid + pid);
  EXPECT_EQ(Path{"100%%p"}.expanded(), "100%p");
  for (const char* variable : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "RANK"})
    unsetenv(variable);
  EXPECT_EQ(Path{"r%r"}.expanded(), "r0");
  setenv("RANK", "12", 1);
  EXPECT_EQ(Path{"r%r"}.expanded(), "r12");
  setenv("OMPI_COMM_WORLD_RANK", "../../etc", 1);  // never a part of a path
  EXPECT_EQ(Path{"r%r"}.expanded(), "r12");
  setenv("OMPI_COMM_WORLD_RANK", "3", 1);
  EXPECT_EQ(Path{"r%r"}.expanded(), "r3");
  EXPECT_EQ(Path{"%"}.expanded(), "%");
  EXPECT_EQ(Path{"%q"}.expanded(), "%q");
  EXPECT_EQ(Path{""}.expanded(), "");
}

// --- typos --------------------------------------------------------------------------------------

TEST(Config, AnUnknownVariableIsAnsweredWithTheNearestOne) {
  const Loaded loaded =
      load({"SPILLWAY_POLCY=lru", "SPILLWAY_DEVICELIMIT=1GiB", "SPILLWAY_FROBNICATE=1",
            "SPILLWAY_=", "SPILLWAYX=1", "SPILLWAY_LIBRARY=/x.so"});
  EXPECT_EQ(loaded.complaints,
            (std::vector<std::string>{
                "SPILLWAY_POLCY is not an option: did you mean SPILLWAY_POLICY?",
                "SPILLWAY_DEVICELIMIT is not an option: did you mean SPILLWAY_DEVICE_LIMIT?",
                "SPILLWAY_FROBNICATE is not an option: `spillway config` lists them all",
                "SPILLWAY_ is not an option: `spillway config` lists them all"}));
}

TEST(Environment, IsSearchedByWholeNames) {
  const char* const environment[] = {"ABC=1", "AB=2", "A", "=x", "EMPTY=", nullptr};
  EXPECT_STREQ(find_variable(environment, "AB"), "2");
  EXPECT_STREQ(find_variable(environment, "EMPTY"), "");
  EXPECT_EQ(find_variable(environment, "A"), nullptr);
  EXPECT_EQ(find_variable(environment, "ABCD"), nullptr);
  EXPECT_EQ(find_variable(nullptr, "A"), nullptr);
}

TEST(Config, OfTheProcessIsReadOnceAndItsComplaintsAreLogged) {
  setenv("SPILLWAY_DEVICE_LIMIT", "3GiB", 1);
  setenv("SPILLWAY_MIN_SIZE", "tiny", 1);
  testing::internal::CaptureStderr();
  const Config& first = config();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(first.device_limit.bytes, 3ull << 30);
  EXPECT_EQ(said, "spillway: warning: SPILLWAY_MIN_SIZE=tiny: not " + option("min_size").syntax() +
                      "; the default 2MiB stands\n");
  setenv("SPILLWAY_DEVICE_LIMIT", "4GiB", 1);
  EXPECT_EQ(&config(), &first);
  EXPECT_EQ(config().device_limit.bytes, 3ull << 30);
}

}  // namespace
}  // namespace spillway
