// SPDX-License-Identifier: Apache-2.0
// Who does not use CUDA, and who looks for symbols of other libraries, meets nothing of ours.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/place.h"

namespace {

using support::Environment;
using support::Finished;
using support::Gpu;

Finished run(const std::vector<std::string>& arguments, const Environment& environment) {
  support::Command command;
  command.arguments = arguments;
  command.environment = environment;
  command.deadline *= support::slowness();
  return support::run(command);
}

// A sanitizer's runtime comes first, whoever else comes, and with ours or without.
Environment preloading(std::vector<std::string> libraries, bool ours_first, bool ours) {
  Environment environment = support::interposed(Gpu::Simulated);
  const std::string library = ours ? support::library() : "";
  std::string others;
  for (const std::string& name : libraries) others += support::program("lib" + name + ".so") + ":";
  std::string& preload = environment["LD_PRELOAD"];
  preload.resize(preload.size() - support::library().size());
  preload += ours_first ? library + ":" + others : others + library;
  return environment;
}

// By RTLD_NEXT and RTLD_DEFAULT a library finds what it would find without us: glibc must see who
// asks. In front of us and behind us alike.
TEST(Others, FindWhatTheyWouldFindWithoutUs) {
  const std::vector<std::string> program = {support::program("ways_next")};
  for (const bool first : {true, false}) {
    const Finished alone = run(program, preloading({"ways_third", "ways_fourth"}, first, false));
    const Finished seen = run(program, preloading({"ways_third", "ways_fourth"}, first, true));
    ASSERT_TRUE(alone.ok()) << alone.how() << alone.err;
    ASSERT_TRUE(seen.ok()) << seen.how() << seen.err;
    EXPECT_NE(alone.out.find("third_next ways_probe: libways_fourth.so"), std::string::npos)
        << alone.out;
    EXPECT_EQ(seen.out, alone.out);
    EXPECT_EQ(seen.err, alone.err);
  }
}

// Who stands in for strcmp looks for the real one when it is first called, which our dlsym must not
// do before it has answered.
TEST(Others, MayStandInForWhatALookUpNeeds) {
  for (const bool first : {true, false}) {
    Environment environment = preloading({"ways_strings"}, first, true);
    const Finished seen = run({support::program("ways_linked")}, environment);
    EXPECT_TRUE(seen.ok()) << seen.how() << seen.err;
    EXPECT_EQ(seen.err, "");
  }
}

struct Bystander {
  const char* name;
  std::vector<std::string> command;
};

// They also tell how many threads they have and which files are open.
const Bystander kBystanders[] = {
    {"bash",
     {"/bin/bash", "-c",
      "echo hello; cd /proc/$$/task; tasks=(*); echo ${#tasks[@]}; cd ../fd; echo *"}},
    {"python",
     {"/usr/bin/python3", "-c",
      "import os; print(len(os.listdir('/proc/self/task')), sorted(os.listdir('/proc/self/fd')))"}},
    {"git", {"/usr/bin/git", "--version"}},
    {"gcc", {"/bin/sh", "-c", "echo 'int f(void) { return 42; }' | cc -x c -O2 -S -o - -"}},
};

TEST(Others, BystandersAreNotDisturbed) {
  for (const Bystander& bystander : kBystanders) {
    if (!std::filesystem::exists(bystander.command[0])) continue;
    const Finished alone = run(bystander.command, support::plain(Gpu::Simulated));
    const Finished seen = run(bystander.command, support::interposed(Gpu::Simulated));
    EXPECT_TRUE(alone.ok()) << bystander.name << alone.how();
    EXPECT_EQ(seen.how(), alone.how()) << bystander.name;
    EXPECT_EQ(seen.out, alone.out) << bystander.name;
    EXPECT_EQ(seen.err, alone.err) << bystander.name;
  }
}

// Loading it opens no file beside itself and starts no thread: the system calls of a process that
// does nothing, but for those that map libraries, are the same.
TEST(Others, LoadingIsQuiet) {
  const std::string strace = "/usr/bin/strace";
  if (!std::filesystem::exists(strace)) GTEST_SKIP() << "needs strace";
  const auto calls = [&](const std::string& preload) {
    const support::TemporaryFile file(".strace");
    std::vector<std::string> command = {
        strace, "-f", "-o", file.path(), "-e", "trace=open,openat,creat,socket,clone,clone3,write"};
    if (!preload.empty()) command.insert(command.end(), {"-E", "LD_PRELOAD=" + preload});
    command.push_back("/bin/true");
    const Finished finished = run(command, support::plain(Gpu::Simulated));
    return finished.ok() ? file.text() : std::string();
  };
  if (calls("").empty()) GTEST_SKIP() << "strace may not trace here";
  const std::string preload = support::interposed(Gpu::Simulated)["LD_PRELOAD"];
  if (preload.find(':') != std::string::npos) GTEST_SKIP() << "a sanitizer's runtime is not quiet";
  std::string text = calls(preload);
  ASSERT_NE(text, "");
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    start = end + 1;
    const bool library =
        line.find(".so") != std::string::npos && line.find("openat(") != std::string::npos;
    const bool ended = line.find("+++ exited") != std::string::npos;
    EXPECT_TRUE(library || ended) << line;
  }
}

}  // namespace
