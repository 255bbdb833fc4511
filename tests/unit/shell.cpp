// SPDX-License-Identifier: Apache-2.0
// What the `spillway` command says of itself: help, corrections, completion, the manual page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "runtime/config.h"
#include "tests/support/process.h"
#include "tests/unit/folder.h"
#include "tools/exit_status.h"

namespace spillway {
namespace {

using support::Finished;
using support::Folder;
using testing::Contains;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

const char* const kVerbs[] = {"run",   "trace",  "replay",     "top", "config",
                              "hooks", "doctor", "completion", "man"};

Finished run(std::vector<std::string> words) {
  return support::run({.arguments = std::move(words), .environment = {{"PATH", "/usr/bin:/bin"}}});
}

Finished spillway(std::vector<std::string> words) {
  words.insert(words.begin(), SPILLWAY_COMMAND);
  return run(std::move(words));
}

// Null: this machine has no such program.
const char* first_of(std::initializer_list<const char*> paths) {
  for (const char* path : paths)
    if (std::filesystem::exists(path)) return path;
  return nullptr;
}

// --- help ---------------------------------------------------------------------------------------

TEST(Help, FitsATerminal) {
  std::vector<std::vector<std::string>> lines = {{}};
  for (const char* verb : kVerbs) lines.push_back({verb});
  for (const char* verb : {"summary", "blame", "dump", "export"}) lines.push_back({"trace", verb});
  for (std::vector<std::string> line : lines) {
    line.push_back("--help");
    const Finished help = spillway(line);
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, testing::StartsWith("Usage: spillway"));
    std::istringstream rows(help.out);
    for (std::string row; std::getline(rows, row);) EXPECT_LE(row.size(), 84u) << row;
  }
}

TEST(Help, TellsWhatTheCommandExitsWith) {
  const std::string all = spillway({"--help"}).out;
  for (const tools::ExitStatus& row : tools::kExitStatuses)
    EXPECT_THAT(all, HasSubstr("\n  " + std::string(row.status) + " "));
  EXPECT_THAT(spillway({"run", "--help"}).out, HasSubstr("\n  128+n "));
  EXPECT_THAT(spillway({"doctor", "--help"}).out, Not(HasSubstr("128+n")));
  EXPECT_THAT(spillway({"config", "--help"}).out, Not(HasSubstr("Exit status")));
}

TEST(Help, NamesValuesAndDefaults) {
  const std::string help = spillway({"run", "--help"}).out;
  EXPECT_THAT(help, HasSubstr("--policy {lru,clock,online,lookahead}\n"));
  EXPECT_THAT(help, HasSubstr("(default: 95%)"));
  EXPECT_THAT(help, HasSubstr("--trace FILE"));
  EXPECT_THAT(help, HasSubstr("Usage: spillway run [OPTIONS] -- PROGRAM [ARGUMENTS...]\n"));
}

// --- corrections --------------------------------------------------------------------------------

TEST(AWrongLine, IsAnsweredWithTheNearest) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"ron"}, "there is no verb ron: did you mean `spillway run`?"},
      {{"rnu", "--", "true"}, "there is no verb rnu: did you mean `spillway run`?"},
      {{"conf"}, "there is no verb conf: did you mean `spillway config`?"},
      {{"docter", "--json"}, "there is no verb docter: did you mean `spillway doctor`?"},
      {{"frobnicate"}, "there is no verb frobnicate: see `spillway --help`"},
      {{"trace", "sumary", "x"}, "did you mean `spillway trace summary`?"},
      {{"run", "--polcy", "lru", "--", "true"}, "did you mean `spillway run --policy`?"},
      {{"run", "--polcy=lru", "true"}, "no option --polcy: did you mean `spillway run --policy`?"},
      {{"config", "--jsn"}, "did you mean `spillway config --json`?"},
      {{}, "which verb? One of run, trace, replay, top"},
      {{"trace"}, "which verb? One of summary"},
      {{"completion", "tcsh"}, "{bash,zsh,fish}"},
  };
  for (const auto& [line, answer] : cases) {
    const Finished result = spillway(line);
    EXPECT_EQ(result.exit_code, 125);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr(answer));
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  }
}

// --- completion ---------------------------------------------------------------------------------

// What bash offers behind these words, as its readline splits them; the last is where the cursor
// is.
std::vector<std::string> offered(const std::vector<std::string>& words) {
  std::string script =
      "set -u\neval \"$(" SPILLWAY_COMMAND " completion bash)\"\nCOMP_WORDS=(spillway";
  for (const std::string& word : words) script += " '" + word + "'";
  script += ")\nCOMP_CWORD=" + std::to_string(words.size()) +
            "\n_spillway\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n";
  const Finished result = run({"/bin/bash", "-c", script});
  EXPECT_EQ(result.err, "") << script;
  std::vector<std::string> out;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) out.push_back(line);
  return out;
}

using Words = std::vector<std::string>;

TEST(CompletionInBash, OffersVerbs) {
  EXPECT_EQ(offered({""}), Words(std::begin(kVerbs), std::end(kVerbs)));
  EXPECT_EQ(offered({"co"}), (Words{"config", "completion"}));
  EXPECT_EQ(offered({"trace", "su"}), Words{"summary"});
  EXPECT_EQ(offered({"nothing", "like"}), Words{});
}

TEST(CompletionInBash, OffersTheOptionsOfAVerb) {
  for (const OptionInfo& option : options()) {
    std::string flag = "--" + std::string(option.field);
    std::ranges::replace(flag, '_', '-');
    EXPECT_THAT(offered({"run", flag.substr(0, 5)}), Contains(flag));
  }
  EXPECT_EQ(offered({"trace", "dump", "--j"}), Words{"--json"});
  EXPECT_EQ(offered({"trace", "export", "--"}),
            (Words{"--help", "--output", "--perfetto", "--csv", "--json"}));
  EXPECT_EQ(offered({"doctor", "--j"}), Words{"--json"});
}

TEST(CompletionInBash, OffersTheValuesOfAnOption) {
  EXPECT_EQ(offered({"run", "--policy", ""}), (Words{"lru", "clock", "online", "lookahead"}));
  EXPECT_EQ(offered({"run", "--policy", "c"}), Words{"clock"});
  EXPECT_EQ(offered({"run", "--policy", "=", "c"}), Words{"clock"});
  EXPECT_EQ(offered({"run", "--policy", "="}), (Words{"lru", "clock", "online", "lookahead"}));
  EXPECT_EQ(offered({"run", "--banner", "on", "--in-place", "a"}), Words{"auto"});
  EXPECT_EQ(offered({"hooks", "-d", "re"}), Words{"refuse"});
  EXPECT_EQ(offered({"completion", "z"}), Words{"zsh"});
  EXPECT_EQ(offered({"run", "--trace", "x"}), Words{}) << "files: left to bash";
}

TEST(CompletionInBash, LeavesTheProgramToItself) {
  EXPECT_THAT(offered({"run", "--", "bas"}), Contains("bash"));
  EXPECT_THAT(offered({"run", "bas"}), Contains("bash"));
  EXPECT_EQ(offered({"run", "--", "ls", "--pol"}), Words{}) << "its own options, not ours";
  EXPECT_EQ(offered({"run", "--policy", "lru", "ls", "--pol"}), Words{});
}

TEST(CompletionInOtherShells, NamesEveryVerbAndOption) {
  const std::string zsh = spillway({"completion", "zsh"}).out;
  const std::string fish = spillway({"completion", "fish"}).out;
  EXPECT_THAT(zsh, testing::StartsWith("#compdef spillway\n"));
  for (const char* verb : kVerbs) {
    EXPECT_THAT(zsh, HasSubstr("'" + std::string(verb) + ":"));
    EXPECT_THAT(fish, HasSubstr(" -a " + std::string(verb) + " -d "));
  }
  EXPECT_THAT(zsh, HasSubstr(":value:(lru clock online lookahead)'"));
  EXPECT_THAT(fish, HasSubstr(" -l policy -x -a 'lru clock online lookahead' "));
}

TEST(CompletionInOtherShells, IsReadByThem) {
  const Folder folder;
  const std::pair<const char*, const char*> shells[] = {
      {"zsh", first_of({"/usr/bin/zsh", "/bin/zsh"})}, {"fish", first_of({"/usr/bin/fish"})}};
  size_t tried = 0;
  for (const auto& [name, shell] : shells) {
    if (shell == nullptr) continue;
    const std::string path = folder.path + "/script";
    std::ofstream(path) << spillway({"completion", name}).out;
    const Finished result = run({shell, "-n", path});
    EXPECT_EQ(result.exit_code, 0) << name;
    EXPECT_EQ(result.err, "") << name;
    tried++;
  }
  if (tried == 0) GTEST_SKIP() << "neither zsh nor fish is installed";
}

TEST(CompletionInOtherShells, FishOffersWhatIsMeant) {
  const char* const fish = first_of({"/usr/bin/fish"});
  if (fish == nullptr) GTEST_SKIP() << "fish is not installed";
  const auto answers = [fish](const std::string& line) {
    return run({fish, "--no-config", "-c",
                SPILLWAY_COMMAND " completion fish | source; complete -C '" + line + "'"})
        .out;
  };
  EXPECT_THAT(answers("spillway ho"), testing::StartsWith("hooks\t"));
  EXPECT_THAT(answers("spillway run --policy "), HasSubstr("clock"));
  EXPECT_THAT(answers("spillway trace "), HasSubstr("summary\t"));
  EXPECT_THAT(answers("spillway trace dump --js"), HasSubstr("--json"));
  EXPECT_THAT(answers("spillway completion "), HasSubstr("zsh"));
}

// --- the manual page ----------------------------------------------------------------------------

TEST(ManualPage, HasEveryVerbOptionVariableAndStatus) {
  const std::string page = spillway({"man"}).out;
  EXPECT_THAT(page, testing::StartsWith(".TH SPILLWAY 1 "));
  for (const char* section : {"NAME", "SYNOPSIS", "DESCRIPTION", "VERBS", "ENVIRONMENT",
                              "EXIT STATUS", "FILES", "EXAMPLES", "SEE ALSO"})
    EXPECT_THAT(page, HasSubstr("\n.SH " + std::string(section) + "\n"));
  for (const char* verb : kVerbs)
    EXPECT_THAT(page, HasSubstr("\n.B spillway " + std::string(verb)));
  for (const OptionInfo& option : options())
    EXPECT_THAT(page, HasSubstr("\n.B " + std::string(option.env) + "\n"));
  for (const tools::ExitStatus& row : tools::kExitStatuses)
    EXPECT_THAT(page, HasSubstr("\n.B " + std::string(row.status) + "\n"));
}

TEST(ManualPage, IsSetWithoutAWarning) {
  const char* const groff = first_of({"/usr/bin/groff"});
  if (groff == nullptr) GTEST_SKIP() << "groff is not installed";
  const Folder folder;
  const std::string path = folder.path + "/spillway.1";
  std::ofstream(path) << spillway({"man"}).out;
  const Finished set = run({groff, "-ww", "-man", "-Tascii", path});
  EXPECT_EQ(set.exit_code, 0);
  EXPECT_EQ(set.err, "");
  EXPECT_THAT(set.out, HasSubstr("SPILLWAY(1)"));
  const char* const man = first_of({"/usr/bin/man"});
  if (man == nullptr) return;
  const Finished shown = run({man, "-l", path});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("EXIT STATUS"));
  EXPECT_THAT(shown.out, Not(HasSubstr("\\-")));
}

}  // namespace
}  // namespace spillway
