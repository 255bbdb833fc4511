// SPDX-License-Identifier: Apache-2.0
// A workload becomes text and is read again; what is no such text is refused, and it is said why.
#include "policy/workload_text.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <sstream>

namespace spillway::policy {
namespace {

using Uses = std::vector<Use>;
using Kind = Event::Kind;

constexpr uint64_t kMiB = 1 << 20;

Workload read(const std::string& text, const WorkloadTextLimits& limits = {}) {
  std::istringstream from(text);
  return read_workload_text(from, limits);
}

std::string written(const Workload& workload) {
  std::ostringstream to;
  write_workload_text(workload, to);
  return to.str();
}

// What reading says against a text whose lines follow the header.
std::string complaint(const std::string& lines, const WorkloadTextLimits& limits = {}) {
  try {
    read("spillway-workload 1\n" + lines, limits);
  } catch (const WorkloadTextError& error) {
    return error.what();
  }
  return "nothing";
}

void expect_equal(const Workload& one, const Workload& other) {
  EXPECT_EQ(one.name, other.name);
  EXPECT_EQ(one.names, other.names);
  EXPECT_EQ(one.buffers, other.buffers);
  ASSERT_EQ(one.uses.size(), other.uses.size());
  for (size_t i = 0; i < one.uses.size(); ++i) {
    ASSERT_EQ(one.uses[i].buffer, other.uses[i].buffer) << "use " << i;
    ASSERT_EQ(one.uses[i].mode, other.uses[i].mode) << "use " << i;
  }
  ASSERT_EQ(one.events.size(), other.events.size());
  for (size_t i = 0; i < one.events.size(); ++i) {
    const Event &a = one.events[i], &b = other.events[i];
    ASSERT_TRUE(a.kind == b.kind && a.buffer == b.buffer && a.name == b.name &&
                a.first == b.first && a.count == b.count && a.ns == b.ns)
        << "event " << i;
  }
}

TEST(WorkloadText, IsWrittenOneLineAnEvent) {
  WorkloadWriter writer("train");
  const uint32_t weights = writer.allocate(1536 * kMiB), x = writer.allocate(96 * kMiB + 1);
  writer.kernel("load", 250'000, Uses{{x, Mode::Write}});
  writer.iteration();
  writer.kernel("forward pass", 1'250'001, Uses{{x, Mode::Read}, {weights, Mode::ReadWrite}});
  writer.kernel("", 3'000'000, {});
  writer.free(x);
  EXPECT_EQ(written(writer.take()),
            "spillway-workload 1 train\n"
            "alloc 0 1536MiB\n"
            "alloc 1 100663297\n"
            "kernel load 250us 1:w\n"
            "iteration\n"
            "kernel forward%20pass 1250001ns 1:r 0:rw\n"
            "kernel % 3ms\n"
            "free 1\n");
}

TEST(WorkloadText, IsReadAsPeopleWriteIt) {
  const Workload workload = read(
      "spillway-workload 1 train  # what it is\r\n"
      "\r\n"
      "# persistent\n"
      "alloc weights:0 1.5GiB\n"
      "\talloc  x 0.3KiB # not a whole number of bytes\n"
      "kernel {lambda#1} 2.5us weights:0:r x:w\n"
      "iteration\n"
      "free x\n"
      "alloc x 4096\n"
      "kernel {lambda#1} 0.25ms x:rw");
  EXPECT_EQ(workload.name, "train");
  EXPECT_EQ(workload.names, std::vector<std::string>{"{lambda#1}"});
  EXPECT_EQ(workload.buffers, (std::vector<uint64_t>{1536 * kMiB, 307, 4096}));
  ASSERT_EQ(workload.events.size(), 7u);
  EXPECT_EQ(workload.events[2].ns, 2500u);
  EXPECT_EQ(workload.events[2].count, 2u);
  EXPECT_EQ(workload.uses[0].mode, Mode::Read);
  EXPECT_EQ(workload.uses[1].mode, Mode::Write);
  EXPECT_EQ(workload.events[4].buffer, 1u);
  EXPECT_EQ(workload.events[6].ns, 250'000u);
  EXPECT_EQ(workload.uses[2].buffer, 2u) << "the name is that of another buffer by now";
}

// --- any workload ---

std::string any_name(std::mt19937& random) {
  std::string name;
  for (size_t length = random() % 12; length > 0; --length)
    name += static_cast<char>(random() % 2 ? random() : 'a' + random() % 26);
  return name;
}

uint64_t any_number(std::mt19937& random, uint64_t most) {
  constexpr uint64_t kUnits[] = {1, 1000, 1024, 1'000'000, kMiB, 1 << 30};
  return (random() % 1000 + 1) * kUnits[random() % std::size(kUnits)] % most + 1;
}

Workload any_workload(unsigned seed) {
  std::mt19937 random(seed);
  WorkloadWriter writer(any_name(random));
  std::vector<std::string> names;
  for (int i = 0; i < 10; ++i) names.push_back(any_name(random));
  std::vector<uint32_t> there;
  for (int i = 0; i < 200; ++i) {
    switch (random() % 8) {
      case 0:
      case 1:
        there.push_back(writer.allocate(any_number(random, 1ull << 40)));
        break;
      case 2:
        if (there.empty()) break;
        std::swap(there[random() % there.size()], there.back());
        writer.free(there.back());
        there.pop_back();
        break;
      case 3:
        writer.iteration();
        break;
      default: {
        Uses uses;
        for (const uint32_t buffer : there)
          if (random() % 3 == 0) uses.push_back({buffer, static_cast<Mode>(random() % 3)});
        std::shuffle(uses.begin(), uses.end(), random);
        writer.kernel(names[random() % names.size()], any_number(random, 1ull << 50) - 1, uses);
      }
    }
  }
  return writer.take();
}

TEST(WorkloadText, SaysAllOfAnyWorkload) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    const Workload workload = any_workload(seed);
    const std::string text = written(workload);
    const Workload again = read(text);
    expect_equal(workload, again);
    ASSERT_EQ(written(again), text);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(WorkloadText, IsReadInAnyBlocks) {
  // Lines of all lengths around that of a block, which is a longest line and 64 KiB.
  const WorkloadTextLimits limits{.line_bytes = 140'000};
  std::string text = "spillway-workload 1\n";
  for (size_t length = 65'500; length < 65'600; ++length)
    text += "#" + std::string(length - 12, '-') + "\niteration\n";
  EXPECT_EQ(read(text, limits).events.size(), 100u);
  for (const std::string end : {"", "\n"}) {
    const std::string last(2 * 65'536 - text.size() % 65'536 - 10, ' ');
    EXPECT_EQ(read(text + last + "iteration" + end, limits).events.size(), 101u);
  }
}

// --- what is refused ---

TEST(WorkloadText, SaysWhereAndWhatIsWrongAndWhatIsRight) {
  const std::pair<const char*, const char*> kWrong[] = {
      {"allok x 1", "line 2: 'allok': a line begins with alloc, free, kernel, iteration or #"},
      {"\n\nalloc", "line 4: the line ends, and a name must follow"},
      {"alloc x", "line 2: the line ends, and a size must follow"},
      {"alloc x 12Mb",
       "line 2: '12Mb' is no size: a number of bytes with an optional unit (KiB, MiB, GiB, TiB or "
       "KB, MB, GB, TB), as in 1.5GiB"},
      {"alloc x 0", "line 2: '0' is no size: it must be above 0, and at most 1TiB"},
      {"alloc x 1025GiB", "line 2: '1025GiB' is no size: it must be above 0, and at most 1TiB"},
      {"alloc x 1MiB\nalloc x 1MiB", "line 3: 'x' is allocated already: it must be freed first"},
      {"alloc x 1MiB 2", "line 2: '2': nothing may follow here"},
      {"free x", "line 2: 'x' is not allocated: a line 'alloc NAME SIZE' must come first"},
      {"alloc x 1\nfree x\nfree x",
       "line 4: 'x' was freed in line 3: it must be allocated again first"},
      {"alloc x 1\nfree x\nkernel k 1us x:r",
       "line 4: 'x' was freed in line 3: it must be allocated again first"},
      {"kernel", "line 2: the line ends, and a name must follow"},
      {"kernel k # 1us", "line 2: the line ends, and a duration must follow"},
      {"kernel k 12", "line 2: '12' is no duration: a number of ns, us or ms, as in 12.5us"},
      {"kernel k%2 1us", "line 2: 'k%2': after % there are two hexadecimal digits, as in %20"},
      {"kernel k 1us x", "line 2: 'x': a buffer is followed by :r, :w or :rw, as in x:rw"},
      {"kernel k 1us x:wr", "line 2: 'x:wr': a buffer is followed by :r, :w or :rw, as in x:rw"},
      {"alloc x 1\nkernel k 1us x:r x:w",
       "line 3: 'x:w': the kernel has this buffer already; one that is read and written is :rw"},
      {"iteration 3", "line 2: '3': nothing may follow here"},
      {"alloc x\1 5",
       "line 2: a control character, of code 1: names have % and two hexadecimal digits for it"},
  };
  for (const auto& [lines, said] : kWrong) EXPECT_EQ(complaint(lines), said) << lines;
}

TEST(WorkloadText, KnowsNumbersWhenItSeesThem) {
  for (const std::string number :
       {"", "-1", "+1", "1e3", "1.", ".5", "-1.5", "1.5.5", "0x10", "inf", "nan", "1,5", "1_000",
        "18446744073709551616", "99999999999999999999.5", "17179869184GiB", "1 MiB", "MiB", "."}) {
    EXPECT_NE(complaint("alloc x " + number), "nothing") << number;
    EXPECT_NE(complaint("kernel k " + number + "ms"), "nothing") << number;
  }
  const auto bytes = [](const std::string& size) {
    return read("spillway-workload 1\nalloc x " + size).buffers[0];
  };
  EXPECT_EQ(bytes("1TiB"), 1ull << 40);
  EXPECT_EQ(bytes("0.25TiB"), 1ull << 38);
  EXPECT_EQ(bytes("1TB"), 1'000'000'000'000u);
  EXPECT_EQ(bytes("1.5GB"), 1'500'000'000u);
  EXPECT_EQ(bytes("12MB"), 12'000'000u);
  EXPECT_EQ(bytes("7KB"), 7'000u);
  EXPECT_EQ(read("spillway-workload 1\nkernel k 1000000000000ms").events[0].ns,
            1'000'000'000'000'000'000u);
  EXPECT_NE(complaint("kernel k 18446744073709551615us"), "nothing");
  EXPECT_EQ(read("spillway-workload 1\nkernel k 0ns").events[0].ns, 0u);
}

TEST(WorkloadText, WantsItsHeader) {
  const auto said = [](const std::string& text) -> std::string {
    try {
      read(text);
    } catch (const WorkloadTextError& error) {
      EXPECT_EQ(error.line(), 1u);
      return error.what();
    }
    return "nothing";
  };
  EXPECT_EQ(said(""), "line 1: nothing there: the first line must be 'spillway-workload 1'");
  EXPECT_EQ(said("\n"), "line 1: '': the first line must be 'spillway-workload 1'");
  EXPECT_EQ(said("alloc x 1\n"),
            "line 1: 'alloc x 1': the first line must be 'spillway-workload 1'");
  EXPECT_EQ(said("spillway-workload 2\n"), "line 1: version '2': this reads version 1");
  EXPECT_EQ(said("spillway-workload 1 a b\n"),
            "line 1: 'b': nothing may follow the name of the workload");
  EXPECT_EQ(said("spillway-workload 1"), "nothing");
}

TEST(WorkloadText, HasLimits) {
  const WorkloadTextLimits few{.line_bytes = 100, .events = 3, .uses = 2, .buffer_bytes = 4096};
  EXPECT_EQ(complaint("iteration\niteration\niteration", few), "nothing");
  EXPECT_EQ(complaint("iteration\niteration\niteration\n# and\niteration", few),
            "line 6: more than 3 events: that is too many");
  EXPECT_EQ(complaint("alloc x 4KiB\nkernel k 1us x:r\nkernel k 1us x:r", few), "nothing");
  EXPECT_EQ(complaint("alloc x 4097", few),
            "line 2: '4097' is no size: it must be above 0, and at most 4KiB");
  EXPECT_EQ(complaint("alloc x 1\nalloc y 1\nkernel k 1us x:r y:r", few), "nothing");
  EXPECT_EQ(complaint("alloc x 1\nalloc y 1\nkernel k 1us x:r y:r", {.uses = 1}),
            "line 4: more than 1 uses: that is too many");
  EXPECT_EQ(complaint("#" + std::string(99, 'x'), few), "nothing");
  // What is freed makes room; time that has passed does not come back.
  const WorkloadTextLimits small{.live_bytes = 4096, .ns = 2'000'000};
  EXPECT_EQ(complaint("alloc x 3KiB\nalloc y 1KiB\nfree x\nalloc x 3KiB", small), "nothing");
  EXPECT_EQ(complaint("alloc x 3KiB\nalloc y 1025", small),
            "line 3: more than 4KiB allocated at once: that is too much");
  EXPECT_EQ(complaint("kernel k 1.5ms\nkernel k 500us", small), "nothing");
  EXPECT_EQ(complaint("kernel k 1.5ms\nkernel k 500001ns", small),
            "line 3: kernels of more than 2ms together: that is too much");
  EXPECT_EQ(complaint("kernel k 18446744073709551615ns"),
            "line 2: kernels of more than 1000000000000ms together: that is too much");
  EXPECT_EQ(complaint("#" + std::string(100, 'x'), few),
            "line 2: more than 100 bytes: a line must be shorter");
  EXPECT_EQ(complaint("alloc " + std::string(90, 'x')),
            "line 2: the line ends, and a size must follow");
  EXPECT_EQ(complaint("free " + std::string(41, 'x')), "line 2: '" + std::string(40, 'x') +
                                                           "...' is not allocated: a line 'alloc "
                                                           "NAME SIZE' must come first");
}

// What a text becomes when bytes of it are lost, doubled and changed is read or refused.
TEST(WorkloadText, IsReadOrRefusedWhateverHappensToIt) {
  std::mt19937 random(7);
  int read_all_the_same = 0, refused = 0;
  for (unsigned seed = 0; seed < 3000; ++seed) {
    std::string text = written(any_workload(seed % 50));
    for (size_t changes = random() % 3 + 1; changes > 0; --changes) {
      const size_t place = random() % text.size();
      const size_t length = std::min<size_t>(random() % 20, text.size() - place);
      switch (random() % 3) {
        case 0:
          text[place] = static_cast<char>(random());
          break;
        case 1:
          text.erase(place, length);
          break;
        default:
          text.insert(place, text.substr(place, length));
      }
    }
    try {
      const Workload workload = read(text);
      expect_equal(workload, read(written(workload)));
      read_all_the_same++;
    } catch (const WorkloadTextError& error) {
      ASSERT_GE(error.line(), 1u);
      refused++;
    }
  }
  EXPECT_GT(read_all_the_same, 100);
  EXPECT_GT(refused, 1000);
}

TEST(WorkloadText, IsReadFast) {
  WorkloadWriter writer("fast");
  std::vector<uint32_t> there;
  constexpr int kLines = 400'000, kThere = 1000, kUses = 5;
  for (int i = 0; i < kThere; ++i) there.push_back(writer.allocate(64 * kMiB));
  for (int i = 0; i < kLines; i += 4) {
    Uses uses;
    for (int j = 0; j < kUses; ++j) uses.push_back({there[(i + 37 * j) % kThere], Mode::Read});
    writer.kernel("forward", 1234, uses);
    writer.kernel("backward", 56'000, uses);
    writer.free(there[i % kThere]);
    there[i % kThere] = writer.allocate(64 * kMiB);
  }
  std::istringstream from(written(writer.take()));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(read_workload_text(from).events.size(), static_cast<size_t>(kLines + kThere));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  RecordProperty("lines_a_second", static_cast<int>(kLines / took.count()));
  // It is ten times faster; but machines are slow and shared, and compilers careful.
  EXPECT_LT(took.count(), kLines / 1e5);
}

}  // namespace
}  // namespace spillway::policy
