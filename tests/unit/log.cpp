// SPDX-License-Identifier: Apache-2.0
#include "runtime/log.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

#include "tests/unit/folder.h"

namespace spillway {
namespace {

using support::Folder;
using support::read_file;

std::string stderr_of(const std::function<void()>& body) {
  testing::internal::CaptureStderr();
  body();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, SaysWarningsAndErrorsOnStderrBeforeItIsConfigured) {
  EXPECT_EQ(stderr_of([] {
              log(LogLevel::Info, "nobody asked");
              log(LogLevel::Warn, "range {} of {} bytes", 7, 42);
              log(LogLevel::Error, "no {{}} at all");
            }),
            "spillway: warning: range 7 of 42 bytes\nspillway: error: no {} at all\n");
}

TEST(Log, TextIsNotAFormat) {
  EXPECT_EQ(stderr_of([] { log_line(LogLevel::Error, "{} %v {0} %n"); }),
            "spillway: error: {} %v {0} %n\n");
}

TEST(Log, TheThresholdIsRespectedAtEveryLevel) {
  for (const LogLevel threshold : {LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn,
                                   LogLevel::Error, LogLevel::Off}) {
    log_configure(threshold, "");
    for (const LogLevel level :
         {LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error}) {
      EXPECT_EQ(log_enabled(level), level >= threshold);
      EXPECT_EQ(stderr_of([&] { log_line(level, "x"); }).empty(), level < threshold);
    }
    EXPECT_TRUE(log_enabled(LogLevel::Off));  // asked for by name
  }
}

TEST(Log, NothingReachesStdout) {
  testing::internal::CaptureStdout();
  log_configure(LogLevel::Trace, "");
  stderr_of([] { log(LogLevel::Trace, "x"); });
  log_configure(LogLevel::Trace, "/nonexistent-folder/file\n/");
  stderr_of([] { log(LogLevel::Error, "x"); });
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST(Log, AFileGetsTimedLinesAndStderrNone) {
  Folder folder;
  log_configure(LogLevel::Info, folder.path + "/log");
  EXPECT_EQ(stderr_of([] { log(LogLevel::Info, "hello"); }), "");
  const std::string text = read_file(folder.path + "/log");
  EXPECT_TRUE(text.ends_with("] spillway: hello\n")) << text;
  EXPECT_NE(text.find("[" + std::to_string(getpid()) + ":"), std::string::npos) << text;
}

TEST(Log, AFileThatGrowsIsTurnedOver) {
  Folder folder;
  log_configure(LogLevel::Debug, folder.path + "/log");
  const std::string text(1 << 20, 'x');
  for (int i = 0; i < 40; ++i) log(LogLevel::Debug, "{}", text);
  size_t bytes = 0, files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path)) {
    bytes += entry.file_size();
    ++files;
  }
  EXPECT_EQ(files, 3u);
  EXPECT_LT(bytes, 25u << 20);
}

TEST(Log, LinesThatRepeatThemselvesAreLeftOut) {
  log_configure(LogLevel::Debug, "");
  const auto lines = [](LogLevel level) {
    const std::string said = stderr_of([&] {
      for (int i = 0; i < 1000; ++i) log(level, "number {} of many", i);
    });
    return std::ranges::count(said, '\n');
  };
  EXPECT_EQ(lines(LogLevel::Warn), 5);
  EXPECT_EQ(lines(LogLevel::Debug), 1000);  // asked for in detail
  EXPECT_NE(stderr_of([] { log(LogLevel::Warn, "another {}", 1); }), "");
}

TEST(Log, AFileThatCannotBeOpenedIsNamedOnceAndLinesGoToStderr) {
  log_configure(LogLevel::Info, "/dev/null/log");
  const std::string said = stderr_of([] {
    log(LogLevel::Info, "one");
    log(LogLevel::Info, "two");
  });
  EXPECT_NE(said.find("/dev/null/log"), std::string::npos) << said;
  EXPECT_EQ(said.find("/dev/null/log"), said.rfind("/dev/null/log"));
  EXPECT_TRUE(said.ends_with("spillway: one\nspillway: two\n")) << said;
}

TEST(Log, AChildWritesToAFileOfItsOwnWhereThePathSaysSo) {
  Folder folder;
  log_configure(LogLevel::Info, folder.path + "/log-%p");
  log(LogLevel::Info, "parent");
  const pid_t child = fork();
  if (child == 0) {
    log(LogLevel::Info, "child");
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(read_file(folder.path + "/log-" + std::to_string(getpid())).ends_with("parent\n"));
  EXPECT_TRUE(read_file(folder.path + "/log-" + std::to_string(child)).ends_with("child\n"));
}

// A thread that logs without end holds the log's lock most of the time, so that a child made
// meanwhile inherits it locked; the child must still be able to speak.
TEST(Log, AChildIsNotHeldUpByALockThatAThreadOfItsParentHeld) {
  Folder folder;
  log_configure(LogLevel::Info, folder.path + "/log");
  std::atomic<bool> stop = false;
  std::vector<std::thread> writers;
  for (int i = 0; i < 2; ++i) {
    writers.emplace_back([&] {
      while (!stop) log_line(LogLevel::Info, std::string(2000, 'x'));
    });
  }
  for (int i = 0; i < 50; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(10);  // a deadlock ends as a signal, not as a hung suite
      log_line(LogLevel::Info, "child");
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0) << "fork " << i;
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
}

TEST(Log, ManyThreadsFromTheFirstLineOnLoseNothing) {
  Folder folder;
  log_configure(LogLevel::Info, folder.path + "/log");
  std::vector<std::thread> writers;
  for (int i = 0; i < 8; ++i) {
    writers.emplace_back([i] {
      for (int k = 0; k < 100; ++k)
        log_line(LogLevel::Info, fmt::format("writer {} line {}", i, k));
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string text = read_file(folder.path + "/log");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 800);
}

TEST(Log, LeavesErrnoAlone) {
  log_configure(LogLevel::Info, "/dev/null/log");
  errno = 1234;
  stderr_of([] { errno = 1234, log(LogLevel::Error, "x"); });
  testing::internal::CaptureStderr();
  errno = 1234;
  log(LogLevel::Error, "x");
  const int after = errno;
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(after, 1234);
}

}  // namespace
}  // namespace spillway
