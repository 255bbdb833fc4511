// SPDX-License-Identifier: Apache-2.0
// The `spillway` command as its users meet it: from outside.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <link.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "interpose/hooks.h"
#include "runtime/config.h"
#include "runtime/presets.h"
#include "tests/support/process.h"
#include "tests/unit/folder.h"

namespace spillway {
namespace {

using support::Environment;
using support::Finished;
using support::Folder;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// The address sanitizer's runtime, where the command is instrumented, would refuse to come second.
const Environment kPlain = {{"PATH", "/usr/bin:/bin"},
                            {"SPILLWAY_LIBRARY", PRELOAD_PROBE},
                            {"ASAN_OPTIONS", "verify_asan_link_order=0"}};

Environment plain_with(const Environment& more) {
  Environment out = more;
  out.insert(kPlain.begin(), kPlain.end());
  return out;
}

Finished spillway(std::vector<std::string> words, const Environment& environment = kPlain) {
  words.insert(words.begin(), SPILLWAY_COMMAND);
  return support::run({.arguments = std::move(words), .environment = environment});
}

// --- run ----------------------------------------------------------------------------------------

TEST(Run, LoadsTheLibraryIntoTheProgram) {
  const Finished result =
      spillway({"run", "--", "sh", "-c", "grep -q preload_probe /proc/self/maps && echo loaded"});
  EXPECT_EQ(result.out, "loaded\n");
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.exit_code, 0);
}

TEST(Run, HandsOnTheProgramsOwnStatusAndSignal) {
  EXPECT_EQ(spillway({"run", "--", "sh", "-c", "exit 7"}).exit_code, 7);
  EXPECT_EQ(spillway({"run", "--", "sh", "-c", "kill -KILL $$"}).signal, SIGKILL);
}

TEST(Run, LeavesTheProgramsArgumentsAlone) {
  const std::vector<std::string> words = {"--policy", "zip", "--", "-h", "", "a b", "--json"};
  std::vector<std::string> line = {"run", "sh", "-c", R"(for a; do echo "<$a>"; done)", "sh"};
  line.insert(line.end(), words.begin(), words.end());
  std::string expected;
  for (const std::string& word : words) expected += "<" + word + ">\n";
  EXPECT_EQ(spillway(line).out, expected) << "without --";
  line.insert(line.begin() + 1, "--");
  EXPECT_EQ(spillway(line).out, expected) << "with --";
}

TEST(Run, TurnsFlagsIntoVariablesThatWinOverTheEnvironment) {
  const Finished result =
      spillway({"run", "--device-limit", "8GiB", "--policy=clock", "--", "env"},
               plain_with({{"SPILLWAY_POLICY", "lru"}, {"SPILLWAY_LOG", "info"}}));
  EXPECT_THAT(result.out, HasSubstr("SPILLWAY_DEVICE_LIMIT=8GiB\n"));
  EXPECT_THAT(result.out, HasSubstr("SPILLWAY_POLICY=clock\n"));
  EXPECT_THAT(result.out, HasSubstr("SPILLWAY_LOG=info\n"));
  EXPECT_EQ(result.exit_code, 0);
}

TEST(Run, HasAFlagForEveryOption) {
  for (const OptionInfo& option : options()) {
    std::string flag = "--" + std::string(option.field);
    std::replace(flag.begin(), flag.end(), '_', '-');
    const std::string value = option.fallback.empty() ? "somewhere" : std::string(option.fallback);
    const Finished result = spillway({"run", flag, value, "--", "env"});
    EXPECT_THAT(result.out, HasSubstr(std::string(option.env) + "=" + value + "\n")) << flag;
  }
}

TEST(Run, RefusesABadValueBeforeAnythingStarts) {
  const Finished result = spillway({"run", "--device-limit", "plenty", "--", "echo", "started"});
  EXPECT_EQ(result.exit_code, 125);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, StartsWith("spillway: --device-limit=plenty: not a share"));
}

TEST(Run, KeepsWhatIsPreloadedAlreadyAndStandsBehindIt) {
  const std::string probe = PRELOAD_PROBE;
  const auto preload = [](const std::string& before) {
    return spillway({"run", "--", "sh", "-c", "echo $LD_PRELOAD"},
                    plain_with({{"LD_PRELOAD", before}}))
        .out;
  };
  EXPECT_EQ(preload("libm.so.6"), "libm.so.6:" + probe + "\n");
  EXPECT_EQ(preload("libm.so.6 libdl.so.2"), "libm.so.6 libdl.so.2:" + probe + "\n");
  EXPECT_EQ(preload(probe), probe + "\n");
  EXPECT_EQ(preload("libm.so.6 " + probe), "libm.so.6 " + probe + "\n");
  EXPECT_EQ(preload(""), probe + "\n");
}

TEST(Run, SetsThePresetsUnlessTold) {
  const Finished on = spillway({"run", "--", "env"}, plain_with({{"NCCL_GRAPH_REGISTER", "1"}}));
  const Finished off = spillway({"run", "--presets", "off", "--", "env"});
  const Finished inert = spillway({"run", "--enable", "off", "--", "env"});
  for (const Preset& preset : presets()) {
    const std::string name = std::string("\n") + preset.variable + "=";
    EXPECT_THAT("\n" + off.out, Not(HasSubstr(name)));
    EXPECT_THAT("\n" + inert.out, Not(HasSubstr(name)));
    const bool users = std::string_view(preset.variable) == "NCCL_GRAPH_REGISTER";
    EXPECT_THAT("\n" + on.out, HasSubstr(name + (users ? "1" : preset.value) + "\n"));
  }
}

TEST(Run, FailsAsEnvDoes) {
  const Finished missing = spillway({"run", "--", "no-such-program"});
  EXPECT_EQ(missing.exit_code, 127);
  EXPECT_EQ(missing.err, "spillway: no-such-program: not found\n");
  EXPECT_EQ(spillway({"run", "--", "/no/such/program"}).exit_code, 127);
  EXPECT_EQ(spillway({"run", "--", "/etc"}).exit_code, 126);
  EXPECT_EQ(spillway({"run", "--", "/etc/passwd"}).exit_code, 126);
  EXPECT_EQ(spillway({"run", "--", ""}).exit_code, 127);
  EXPECT_EQ(spillway({"run"}).exit_code, 125);
  EXPECT_EQ(spillway({"run", "--"}).exit_code, 125);
  EXPECT_EQ(spillway({"run", "--no-such-flag", "--", "true"}).exit_code, 125);
  EXPECT_EQ(spillway({"run", "--policy"}).exit_code, 125);
}

TEST(Run, SaysWhereTheLibraryWasLookedFor) {
  const Folder folder;
  const Finished missing = spillway(
      {"run", "--", "true"}, plain_with({{"SPILLWAY_LIBRARY", folder.path + "/libspillway.so"}}));
  EXPECT_EQ(missing.exit_code, 125);
  EXPECT_THAT(missing.err, HasSubstr(folder.path + "/libspillway.so"));
  EXPECT_THAT(missing.err, HasSubstr("SPILLWAY_LIBRARY"));
  const Finished text =
      spillway({"run", "--", "true"}, plain_with({{"SPILLWAY_LIBRARY", "/etc/passwd"}}));
  EXPECT_EQ(text.exit_code, 125);
  EXPECT_THAT(text.err, HasSubstr("not a shared library"));
}

TEST(Run, FindsTheLibraryBesideItselfOrInLib) {
  for (const std::string place : {"bin", "lib"}) {
    const Folder folder;
    const std::string bin = folder.path + "/bin";
    ASSERT_EQ(
        std::system(("mkdir " + bin + " " + folder.path + "/lib && cp " SPILLWAY_COMMAND " " + bin +
                     " && cp " PRELOAD_PROBE " " + folder.path + "/" + place + "/libspillway.so")
                        .c_str()),
        0);
    const Finished result =
        support::run({.arguments = {bin + "/spillway", "run", "--", "sh", "-c", "echo $LD_PRELOAD"},
                      .environment = {{"PATH", "/bin"}}});
    EXPECT_THAT(result.out, testing::EndsWith("/" + place + "/libspillway.so\n")) << result.err;
    EXPECT_THAT(result.out, StartsWith("/"));
  }
}

TEST(Run, APathThatTheLoaderCannotReadIsRefused) {
  const Folder folder;
  for (const std::string name : {"a b.so", "a:b.so"}) {
    const std::string path = folder.path + "/" + name;
    ASSERT_EQ(std::system(("cp " PRELOAD_PROBE " '" + path + "'").c_str()), 0);
    const Finished result =
        spillway({"run", "--", "true"}, plain_with({{"SPILLWAY_LIBRARY", path}}));
    EXPECT_EQ(result.exit_code, 125);
    EXPECT_THAT(result.err, HasSubstr("cannot preload"));
  }
}

// --- programs that ignore a preload -------------------------------------------------------------

// An executable made of a header and, unless empty, the name of a loader.
std::string elf_image(const std::string& loader, int machine_shift = 0) {
  ElfW(Ehdr) header{};
  std::ifstream("/proc/self/exe", std::ios::binary)
      .read(reinterpret_cast<char*>(&header), sizeof header);
  header.e_machine = static_cast<ElfW(Half)>(header.e_machine + machine_shift);
  header.e_phoff = sizeof header;
  header.e_phnum = loader.empty() ? 0 : 1;
  std::string image(reinterpret_cast<const char*>(&header), sizeof header);
  if (loader.empty()) return image;
  ElfW(Phdr) segment{};
  segment.p_type = PT_INTERP;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_filesz = loader.size() + 1;
  image.append(reinterpret_cast<const char*>(&segment), sizeof segment);
  return image + loader + '\0';
}

std::string said_of(const std::string& image) {
  const Folder folder;
  const std::string path = folder.path + "/program";
  std::ofstream(path, std::ios::binary) << image;
  chmod(path.c_str(), 0755);
  return spillway({"run", "--", path}).err;
}

TEST(Run, WarnsOfProgramsThatIgnoreAPreload) {
  EXPECT_THAT(said_of(elf_image("")), HasSubstr("statically linked"));
  EXPECT_THAT(said_of(elf_image("/lib/ld-musl-x86_64.so.1")), HasSubstr("musl"));
  EXPECT_THAT(said_of(elf_image("", 1)), HasSubstr("another kind of machine"));
  EXPECT_THAT(said_of(elf_image("/lib64/ld-linux-x86-64.so.2").substr(0, 100)),
              HasSubstr("damaged"));
  EXPECT_THAT(said_of("\177ELF"), HasSubstr("damaged"));
}

TEST(Run, WarnsOfAScriptWhoseInterpreterIgnoresAPreload) {
  const Folder folder;
  std::ofstream(folder.path + "/interpreter", std::ios::binary) << elf_image("");
  chmod((folder.path + "/interpreter").c_str(), 0755);
  EXPECT_THAT(said_of("#!" + folder.path + "/interpreter -x\n"), HasSubstr("statically linked"));
  EXPECT_THAT(said_of("#!/usr/bin/env " + folder.path + "/interpreter\n"),
              HasSubstr("statically linked"));
  EXPECT_EQ(said_of("#!/bin/sh\necho\n"), "");
  EXPECT_EQ(said_of("#! /usr/bin/env sh\n"), "");
  EXPECT_EQ(said_of("echo no interpreter line\n"), "");
}

TEST(Run, WarnsOfProgramsThatRunWithOtherRights) {
  if (getuid() != 0) GTEST_SKIP() << "only root can make a program of another user";
  const Folder folder;
  chmod(folder.path.c_str(), 0755);
  const std::string path = folder.path + "/true";
  ASSERT_EQ(std::system(("cp /bin/true " + path).c_str()), 0);
  ASSERT_EQ(chown(path.c_str(), 1, 1), 0);
  EXPECT_EQ(spillway({"run", "--", path}).err, "");
  ASSERT_EQ(chmod(path.c_str(), 04755), 0);
  const Finished result = spillway({"run", "--", path});
  EXPECT_THAT(result.err, HasSubstr("another user's rights"));
  EXPECT_EQ(result.exit_code, 0) << "a warning, not a refusal";
}

// --- config -------------------------------------------------------------------------------------

TEST(ConfigVerb, ShowsValueDefaultAndSourceOfEveryOption) {
  const Finished result =
      spillway({"config", "--json"}, {{"SPILLWAY_MIN_SIZE", "4096KiB"}, {"SPILLWAY_ARENA", "big"}});
  ASSERT_EQ(result.exit_code, 0);
  const auto rows = nlohmann::json::parse(result.out);
  ASSERT_EQ(rows.size(), options().size());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i]["variable"], options()[i].env);
    EXPECT_EQ(rows[i]["default"], options()[i].fallback);
    const bool set = options()[i].field == "min_size";
    EXPECT_EQ(rows[i]["value"], set ? "4MiB" : options()[i].fallback);
    EXPECT_EQ(rows[i]["source"], set                             ? "environment"
                                 : options()[i].field == "arena" ? "default, the environment's "
                                                                   "value is bad"
                                                                 : "default");
  }
  EXPECT_THAT(result.err, StartsWith("spillway: warning: SPILLWAY_ARENA=big: not a number"));
}

TEST(ConfigVerb, SpeaksToPeopleToo) {
  const Finished result = spillway({"config"}, {{"SPILLWAY_POLICY", "clock"}});
  EXPECT_THAT(result.out, HasSubstr("SPILLWAY_POLICY=clock\n"));
  EXPECT_THAT(result.out, HasSubstr("From: environment. Default: lookahead."));
  for (const OptionInfo& option : options()) {
    EXPECT_THAT(result.out, HasSubstr("\n    " + std::string(option.doc) + "\n"));
  }
  for (const Preset& preset : presets()) EXPECT_THAT(result.out, HasSubstr(preset.variable));
}

TEST(ConfigVerb, SurvivesAPathThatIsNotText) {
  const Finished result = spillway({"config", "--json"}, {{"SPILLWAY_LOG_FILE", "/tmp/\xff\xfe"}});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(nlohmann::json::accept(result.out)) << result.out;
}

TEST(ConfigVerb, AFullDiskIsAFailure) {
  const Finished result =
      support::run({.arguments = {"/bin/sh", "-c", SPILLWAY_COMMAND " config > /dev/full"},
                    .environment = {{"PATH", "/bin"}}});
  EXPECT_EQ(result.exit_code, 125);
  EXPECT_THAT(result.err, HasSubstr("stdout"));
}

// --- hooks --------------------------------------------------------------------------------------

TEST(HooksVerb, ShowsTheWholeTable) {
  const auto rows = nlohmann::json::parse(spillway({"hooks", "--json"}).out);
  ASSERT_EQ(rows.size(), kHooks.size());
  EXPECT_GT(rows.size(), 500u);
}

TEST(HooksVerb, FiltersByDecisionAndByName) {
  const auto hooked =
      nlohmann::json::parse(spillway({"hooks", "--json", "-d", "hook", "cuMemAlloc*"}).out);
  ASSERT_FALSE(hooked.empty());
  for (const auto& row : hooked) {
    EXPECT_EQ(row["decision"], "hook");
    EXPECT_THAT(std::string(row["symbol"]), StartsWith("cuMemAlloc"));
    EXPECT_FALSE(std::string(row["reason"]).empty());
  }
  const auto one = nlohmann::json::parse(spillway({"hooks", "cuLaunchKernel", "--json"}).out);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0]["decision"], "hook");
  const Finished text = spillway({"hooks", "cuLaunchKernel"});
  EXPECT_THAT(text.out, StartsWith("cuLaunchKernel  hook "));
  EXPECT_THAT(text.out, HasSubstr("\n1 of " + std::to_string(kHooks.size()) + " functions\n"));
}

TEST(HooksVerb, SaysWhenNothingMatches) {
  const Finished result = spillway({"hooks", "cudaMalloc"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("no function"));
  EXPECT_EQ(spillway({"hooks", "-d", "maybe"}).exit_code, 125);
}

// --- the command itself -------------------------------------------------------------------------

TEST(Spillway, ExplainsItself) {
  EXPECT_THAT(spillway({"--version"}).out, testing::MatchesRegex("spillway [0-9.]+\n"));
  const Finished help = spillway({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* verb : {"run", "config", "hooks"}) {
    EXPECT_THAT(help.out, HasSubstr(verb));
    const Finished verb_help = spillway({verb, "--help"});
    EXPECT_EQ(verb_help.exit_code, 0);
    EXPECT_THAT(verb_help.out, HasSubstr("Usage: spillway " + std::string(verb)));
  }
  EXPECT_EQ(spillway({}).exit_code, 125);
  EXPECT_EQ(spillway({"ron"}).exit_code, 125);
  EXPECT_THAT(spillway({}).err, HasSubstr("--help"));
}

}  // namespace
}  // namespace spillway
