// SPDX-License-Identifier: Apache-2.0
// What is recorded is read back, whatever became of the file meanwhile.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "runtime/trace/format.h"
#include "runtime/trace/recorder.h"
#include "runtime/trace/writer.h"
#include "tests/unit/folder.h"
#include "tools/trace/reader.h"

namespace spillway {
namespace {

using support::Folder;
using support::read_file;
using tools::Record;
using tools::TraceError;
using tools::TraceReader;

thread_local std::atomic<trace::Ring*> ring{nullptr};

template <class E>
void tell(const E& event) {
  if (trace::on()) trace::record(ring, event);
}

class Trace : public testing::Test {
 protected:
  bool begin(uint64_t limit = 1 << 30, TraceKeep keep = TraceKeep::Last) {
    return trace::start({path(), limit, keep, "\"pid\": 7"});
  }
  std::string path() const { return folder_.path + "/trace"; }
  void overwrite(const std::string& bytes) const {
    std::ofstream(path(), std::ios::binary) << bytes;
  }
  std::string complaint() const {
    try {
      TraceReader reader(path());
    } catch (const TraceError& error) {
      return error.what();
    }
    return "";
  }
  static uint64_t count(TraceReader& reader, const std::string& kind) {
    uint64_t found = 0;
    for (Record record; reader.next(&record);) found += record.kind->name == kind;
    return found;
  }
  uint64_t count(const std::string& kind) const {
    TraceReader reader(path());
    return count(reader, kind);
  }

  // Until the writer has written: on a busy machine that is not when it should.
  void wait_for_more_than(uint64_t bytes) const {
    struct stat status;
    for (int i = 0; i < 3000; ++i) {
      if (stat(path().c_str(), &status) == 0 && static_cast<uint64_t>(status.st_size) > bytes)
        return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << path() << " has no more than " << bytes << " bytes after 30 s";
  }

  // A file with a Freed in each of four blocks, as it stands at path().
  std::string four_blocks() {
    EXPECT_TRUE(begin());
    for (uint64_t i = 0; i < 4; ++i) {
      const uint64_t before = std::filesystem::file_size(path());
      tell(trace::Freed{i});
      wait_for_more_than(before);
    }
    trace::stop();
    return read_file(path());
  }

 private:
  Folder folder_;
};

TEST_F(Trace, EveryFieldComesBack) {
  ASSERT_TRUE(begin());
  const uint64_t kernel = trace::name(trace::NameOf::Kernel, "matmul<float>");
  EXPECT_EQ(trace::name(trace::NameOf::Kernel, "matmul<float>"), kernel);
  const uint64_t ranges[] = {3, 1ull << 40, 0};
  tell(trace::Allocated{1, 0x7f0000000000, 1ull << 33, 1, true});
  tell(trace::Launched{kernel, 2, 0, ranges});
  tell(trace::Evicted{1, 4096, 2 << 20, 0, Cause::Collective, 1500});
  tell(trace::Freed{~uint64_t{0}});
  trace::stop();
  EXPECT_FALSE(trace::on());

  struct stat status;
  ASSERT_EQ(stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);

  TraceReader reader(path());
  EXPECT_EQ(reader.head().at("pid"), 7);
  std::vector<std::string> kinds;
  uint64_t last = 0;
  for (Record record; reader.next(&record);) {
    kinds.push_back(record.kind->name);
    if (const auto thread = TraceReader::as<trace::Thread>(record)) {
      EXPECT_EQ(thread->tid, static_cast<uint64_t>(gettid()));
    } else if (const auto named = TraceReader::as<trace::Named>(record)) {
      EXPECT_EQ(named->name, kernel);
      EXPECT_EQ(named->what, trace::NameOf::Kernel);
      EXPECT_EQ(named->text, "matmul<float>");
    } else {
      EXPECT_GE(record.time, last);
      last = record.time;
    }
    if (const auto made = TraceReader::as<trace::Allocated>(record)) {
      EXPECT_EQ(made->range, 1u);
      EXPECT_EQ(made->address, 0x7f0000000000u);
      EXPECT_EQ(made->bytes, 1ull << 33);
      EXPECT_EQ(made->device, 1u);
      EXPECT_TRUE(made->ordered);
    }
    if (const auto launch = TraceReader::as<trace::Launched>(record)) {
      EXPECT_EQ(launch->kernel, kernel);
      EXPECT_EQ(std::vector(launch->ranges.begin(), launch->ranges.end()),
                std::vector(std::begin(ranges), std::end(ranges)));
    }
    if (const auto evicted = TraceReader::as<trace::Evicted>(record)) {
      EXPECT_EQ(evicted->cause, Cause::Collective);
      EXPECT_EQ(evicted->took, 1500u);
    }
    if (const auto freed = TraceReader::as<trace::Freed>(record)) {
      EXPECT_EQ(freed->range, ~uint64_t{0});
    }
  }
  EXPECT_EQ(kinds, (std::vector<std::string>{"thread", "named", "allocated", "launched", "evicted",
                                             "freed"}));
  EXPECT_EQ(reader.damaged_blocks(), 0u);
  EXPECT_FALSE(reader.cut_short());
}

TEST_F(Trace, ManyThreadsLoseNothing) {
  constexpr uint64_t kThreads = 8, kEvents = 20000;
  ASSERT_TRUE(begin());
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([thread] {
      for (uint64_t i = 0; i < kEvents; ++i) {
        tell(trace::Fetched{thread, i, 1, 0, Cause::Launch, 0});
        if (i % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  for (std::thread& thread : threads) thread.join();
  trace::stop();
  std::map<uint64_t, uint64_t> next;
  TraceReader reader(path());
  for (Record record; reader.next(&record);) {
    ASSERT_NE(record.kind->name, "lost");
    if (const auto fetched = TraceReader::as<trace::Fetched>(record)) {
      ASSERT_EQ(fetched->offset, next[fetched->range]++);  // of a thread, in order
    }
  }
  EXPECT_EQ(next.size(), kThreads);
  for (const auto& [thread, events] : next) EXPECT_EQ(events, kEvents) << thread;
}

// A thread that records faster than anybody can write loses events, and the trace says how many.
TEST_F(Trace, WhatFindsNoRoomIsCounted) {
  ASSERT_TRUE(begin());
  const std::vector<uint64_t> ranges(trace::kLongestList, ~uint64_t{0});
  constexpr uint64_t kEvents = 2000;
  for (uint64_t i = 0; i < kEvents; ++i) tell(trace::Launched{0, 1, 0, ranges});
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  tell(trace::Freed{1});
  trace::stop();
  TraceReader reader(path());
  uint64_t launched = 0, lost = 0;
  for (Record record; reader.next(&record);) {
    if (const auto launch = TraceReader::as<trace::Launched>(record)) {
      launched++;
      ASSERT_EQ(launch->ranges.size(), ranges.size());
    }
    if (const auto some = TraceReader::as<trace::Lost>(record)) lost += some->count;
  }
  EXPECT_GT(lost, 0u);
  EXPECT_EQ(launched + lost, kEvents);
}

TEST_F(Trace, KeepsTheLastPartAndTheNamesInIt) {
  constexpr uint64_t kLimit = 64 << 10;
  ASSERT_TRUE(begin(kLimit));
  const uint64_t kernel = trace::name(trace::NameOf::Kernel, "early");
  std::mt19937_64 random(1);
  for (uint64_t i = 0; i < 60000; ++i) {
    tell(trace::Evicted{random(), random(), random(), 0, Cause::Pressure, i});
    if (i % 2000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(120));
  }
  trace::stop();
  for (const std::string& file : {path(), path() + ".old"}) {
    TraceReader reader(file);
    uint64_t last = 0;
    bool named = false;
    for (Record record; reader.next(&record);) {
      if (const auto evicted = TraceReader::as<trace::Evicted>(record)) last = evicted->took;
      if (const auto name = TraceReader::as<trace::Named>(record)) named |= name->name == kernel;
    }
    EXPECT_TRUE(named) << file;
    EXPECT_EQ(last == 59999, file == path());
    EXPECT_LT(reader.bytes(), 4 * kLimit);  // a block more than half of it, of random numbers
  }
}

TEST_F(Trace, KeepsTheFirstPart) {
  ASSERT_TRUE(begin(8 << 10, TraceKeep::First));
  std::mt19937_64 random(1);
  for (uint64_t i = 0; i < 4000 && trace::on(); ++i) {
    tell(trace::Evicted{random(), random(), random(), 0, Cause::Pressure, i});
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  EXPECT_FALSE(trace::on());
  TraceReader reader(path());
  std::optional<trace::Evicted> first;
  for (Record record; !first && reader.next(&record);)
    first = TraceReader::as<trace::Evicted>(record);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->took, 0u);
}

TEST_F(Trace, EveryPrefixOfAFileIsReadUpToTheLastWholeBlock) {
  const std::string whole = four_blocks();
  ASSERT_EQ(count("freed"), 4u);
  uint64_t before = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    overwrite(whole.substr(0, size));
    if (!complaint().empty()) {
      EXPECT_EQ(before, 0u);
      continue;
    }
    const uint64_t events = count("freed");
    EXPECT_GE(events, before);
    before = events;
  }
  EXPECT_EQ(before, 3u);
}

TEST_F(Trace, DamageCostsItsBlockAndNoMore) {
  const std::string whole = four_blocks();
  const size_t head = whole.find("SPWB");
  std::mt19937 random(7);
  for (int trial = 0; trial < 500; ++trial) {
    std::string damaged = whole;
    const size_t place = head + random() % (whole.size() - head);
    damaged[place] = static_cast<char>(damaged[place] ^ (1 << random() % 8));
    overwrite(damaged);
    TraceReader reader(path());
    const uint64_t events = count(reader, "freed");
    EXPECT_GE(events, 3u) << place;
    EXPECT_TRUE(events == 4 || reader.damaged_blocks() == 1 || reader.cut_short()) << place;
  }
}

TEST_F(Trace, WhatIsNoTraceIsSaidToBeNone) {
  EXPECT_NE(complaint().find("No such file"), std::string::npos) << complaint();
  overwrite("");
  EXPECT_NE(complaint().find("is empty"), std::string::npos) << complaint();
  overwrite(
      "\x7f"
      "ELF and more than sixteen bytes");
  EXPECT_NE(complaint().find("is not a trace"), std::string::npos) << complaint();
  trace::FileHead head;
  head.version = 99;
  overwrite(std::string(reinterpret_cast<const char*>(&head), sizeof head));
  EXPECT_NE(complaint().find("version 99"), std::string::npos) << complaint();
  head.version = 1;
  head.head_bytes = 100;
  overwrite(std::string(reinterpret_cast<const char*>(&head), sizeof head) + "{");
  EXPECT_NE(complaint().find("ends within its head"), std::string::npos) << complaint();
  head.head_bytes = 2;
  overwrite(std::string(reinterpret_cast<const char*>(&head), sizeof head) + "{}");
  EXPECT_NE(complaint().find("its head is damaged"), std::string::npos) << complaint();
}

// A later writer has events and fields that this reader does not know, and lacks others.
TEST_F(Trace, ANewerWritersEventsAreNamed) {
  ASSERT_TRUE(begin());
  tell(trace::Freed{5});
  trace::stop();
  std::string text = read_file(path());
  const auto replace = [&](const std::string& from, const std::string& to) {
    ASSERT_EQ(from.size(), to.size());  // the head's length is in the file
    const size_t place = text.find(from);
    ASSERT_NE(place, std::string::npos);
    text.replace(place, from.size(), to);
  };
  replace(R"("kind": "freed", "fields": [{"name": "range")",
          R"("kind": "frost", "fields": [{"name": "chill")");
  overwrite(text);
  TraceReader reader(path());
  Record record;
  while (reader.next(&record) && record.kind->name != "frost") {
  }
  EXPECT_EQ(record.kind->fields[0].name, "chill");
  EXPECT_EQ(record.numbers[0], 5u);
  EXPECT_FALSE(TraceReader::as<trace::Freed>(record));
}

TEST_F(Trace, AFileThatCannotBeMadeLetsTheJobGoOn) {
  testing::internal::CaptureStderr();
  EXPECT_FALSE(trace::start({"/nowhere/at/all", 1 << 20, TraceKeep::Last, "\"pid\": 1"}));
  EXPECT_NE(testing::internal::GetCapturedStderr().find("/nowhere/at/all cannot be created"),
            std::string::npos);
  ASSERT_EQ(symlink("/tmp/somewhere-else", path().c_str()), 0);
  testing::internal::CaptureStderr();
  EXPECT_FALSE(begin());
  testing::internal::GetCapturedStderr();
  EXPECT_FALSE(trace::on());
}

// The program closes all files and opens its own: they are not written to.
TEST_F(Trace, AFileThatTheProgramClosesIsNotAnotherOnes) {
  ASSERT_TRUE(begin());
  for (int file = 3; file < 1024; ++file) close(file);
  int other = -1;
  while ((other = open("/dev/null", O_RDWR)) >= 0 && other < 600) {
  }
  testing::internal::CaptureStderr();
  tell(trace::Freed{1});
  trace::stop();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("closed by the program"),
            std::string::npos);
}

// Two processes of one job with the same path: each has a file of its own.
TEST_F(Trace, AnotherProcessWritesBesideIt) {
  int turn[2];
  ASSERT_EQ(pipe(turn), 0);
  const pid_t child = fork();
  if (child == 0) {
    trace::forget_in_child();
    ring = nullptr;
    char byte;
    if (read(turn[0], &byte, 1) != 1 || !begin()) _exit(1);
    tell(trace::Freed{2});
    trace::stop();
    _exit(0);
  }
  ASSERT_TRUE(begin());
  ASSERT_EQ(write(turn[1], "", 1), 1);
  waitpid(child, nullptr, 0);
  tell(trace::Freed{1});
  trace::stop();
  EXPECT_EQ(count("freed"), 1u);
  TraceReader beside(path() + "." + std::to_string(child));
  std::vector<uint64_t> freed;
  for (Record record; beside.next(&record);)
    if (const auto each = TraceReader::as<trace::Freed>(record)) freed.push_back(each->range);
  EXPECT_EQ(freed, std::vector<uint64_t>{2});
}

TEST_F(Trace, AKilledProcessLeavesWhatItWrote) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 20; ++trial) {
    std::filesystem::remove(path());
    const pid_t child = fork();
    if (child == 0) {
      trace::forget_in_child();
      ring = nullptr;
      if (!begin()) _exit(1);
      for (uint64_t i = 0;; ++i) {
        tell(trace::Freed{i});
        if (i % 64 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
    }
    constexpr uint64_t kHeadAndMore = 8192;
    wait_for_more_than(kHeadAndMore);
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 200));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    TraceReader reader(path());
    uint64_t next = 0;
    for (Record record; reader.next(&record);)
      if (const auto freed = TraceReader::as<trace::Freed>(record)) {
        ASSERT_EQ(freed->range, next++);
      }
    EXPECT_GT(next, 0u);
    EXPECT_EQ(reader.damaged_blocks(), 0u);
  }
}

}  // namespace
}  // namespace spillway
