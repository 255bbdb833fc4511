// SPDX-License-Identifier: Apache-2.0
// What the history recognises: where in what it did before a job is now.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "policy/history.h"
#include "policy/loop.h"

namespace spillway::policy {
namespace {

// A job whose launches are named by letters; each uses the memory of that number.
struct Job {
  explicit Job(size_t bytes = 1 << 20) : history(bytes) {}

  void launch(char name, uint64_t life = History::kNone) {
    if (life == History::kNone) life = 1'000'000 + static_cast<uint64_t>(name);
    const History::Used used{life, Mode::ReadWrite,
                             last.contains(life) ? last[life] : History::kNone};
    const uint64_t event = history.launched(static_cast<uint64_t>(name), {&used, 1});
    last[life] = history.at(event).touches;
  }
  void launch_all(std::string_view names) {
    for (const char name : names) launch(name);
  }
  // The launch that the history takes for the present one.
  char twin() const {
    return history.twin() == History::kNone
               ? '-'
               : static_cast<char>(history.at(history.twin()).signature);
  }
  char expected() const {
    return history.expected() == History::kNone
               ? '-'
               : static_cast<char>(history.at(history.expected()).signature);
  }

  History history;
  std::map<uint64_t, uint64_t> last;  // touch, by life
};

TEST(AHistory, ExpectsNothingOfWhatItHasNotSeen) {
  Job job;
  job.launch_all("abcdefghij");
  EXPECT_EQ(job.twin(), '-');
  EXPECT_EQ(job.expected(), '-');
  EXPECT_EQ(job.history.distance(), 0u);
  EXPECT_FALSE(job.history.looped());
}

TEST(AHistory, ConfirmsALoopWhenALapHasRepeatedAnother) {
  Job job;
  job.launch_all("abcdefghij");
  job.launch_all("abcdefghi");
  EXPECT_EQ(job.twin(), 'i');
  EXPECT_EQ(job.expected(), 'j');
  EXPECT_EQ(job.history.distance(), 10u);
  EXPECT_FALSE(job.history.looped());
  job.launch('j');
  EXPECT_TRUE(job.history.looped());
  EXPECT_EQ(job.expected(), 'a');
}

TEST(AHistory, SaysWhenMemoryIsUsedNext) {
  Job job;
  job.launch_all("abcadefg");
  job.launch_all("abcadefg");
  const uint64_t a = 8;
  EXPECT_EQ(job.history.touch(job.history.at(a).touches).next, a + 3);
  EXPECT_EQ(job.history.touch(job.history.at(a + 1).touches).next, History::kNone);
  job.launch_all("ab");
  EXPECT_EQ(job.history.touch(job.history.at(a + 1).touches).next, a + 9);
}

TEST(AHistory, FindsTheWholeLapBehindMicroBatches) {
  const std::string batch = "abcdefgh", lap = batch + batch + batch + batch + "opqrstuv";
  Job job;
  for (int i = 0; i < 4; i++) job.launch_all(lap);
  EXPECT_EQ(job.history.distance(), lap.size());
  EXPECT_TRUE(job.history.looped());
  // Behind the fourth batch, and not before, it expects what comes then.
  for (int i = 0; i < 4; i++) {
    job.launch_all(batch);
    EXPECT_EQ(job.expected(), i < 3 ? 'a' : 'o') << "batch " << i;
  }
}

TEST(AHistory, IsBackInTheLoopSoonAfterSomethingElse) {
  Job job;
  for (int i = 0; i < 3; i++) job.launch_all("abcdefghijkl");
  job.launch_all("0123456789");
  EXPECT_EQ(job.expected(), '-');
  job.launch_all("abcdef");
  EXPECT_EQ(job.twin(), 'f');
  EXPECT_EQ(job.expected(), 'g');
  job.launch_all("ghijkl");
  for (int i = 0; i < 3; i++) job.launch_all("abcdefghijkl");
  EXPECT_EQ(job.history.distance(), 12u);
  EXPECT_TRUE(job.history.looped());
}

TEST(AHistory, IsNotLostOverAFewOddEvents) {
  for (const std::string odd : {"abcdeXfgh", "abcdeXYfgh", "abcdgh", "abcdXgh"}) {
    Job job;
    job.launch_all("abcdefghijkl");
    job.launch_all("abcdefghijkl");
    job.launch_all(odd);
    EXPECT_EQ(job.twin(), 'h') << odd;
    EXPECT_EQ(job.expected(), 'i') << odd;
  }
}

TEST(AHistory, TellsLaunchesThatLookAlikeByTheirMemoryWhenAskedTo) {
  Job job;
  constexpr uint64_t kRanges = 20;
  for (int lap = 0; lap < 2; lap++)
    for (uint64_t range = 0; range < kRanges; range++) job.launch('x', range);
  EXPECT_EQ(job.history.distance(), 1u);
  ASSERT_TRUE(job.history.relock(kRanges));
  EXPECT_EQ(job.history.distance(), kRanges);
  for (uint64_t range = 0; range < kRanges; range++) {
    job.launch('x', range);
    EXPECT_EQ(job.history.touches(job.history.twin())[0].life, range);
  }
  EXPECT_TRUE(job.history.looped());
  EXPECT_FALSE(job.history.relock(0));
  EXPECT_FALSE(job.history.relock(1'000'000));
}

TEST(AHistory, ForgetsTheOldestAndGoesOn) {
  Job job(64 << 10);
  std::string lap;
  for (char name = 'A'; name < 'A' + 50; name++) lap += name;
  for (int i = 0; i < 100; i++) job.launch_all(lap);
  EXPECT_EQ(job.history.now(), 5000u);
  EXPECT_FALSE(job.history.has(0));
  EXPECT_TRUE(job.history.has(4999));
  EXPECT_EQ(job.history.distance(), 50u);
  EXPECT_TRUE(job.history.looped());
}

TEST(AHistory, OfAnythingAtAllNeverNamesWhatItDoesNotHave) {
  for (unsigned seed = 0; seed < 50; seed++) {
    std::mt19937 random(seed);
    Job job(32 << 10);
    for (int i = 0; i < 3000; i++) {
      const char name = static_cast<char>('a' + random() % (1 + seed % 7));
      if (random() % 5)
        job.launch(name, random() % 30);
      else
        job.history.freed(job.history.allocated(name, 1 + random() % 3));
      if (job.history.twin() != History::kNone) {
        ASSERT_TRUE(job.history.has(job.history.twin()));
        ASSERT_LT(job.history.twin(), job.history.now() - 1);
        ASSERT_EQ(job.history.at(job.history.twin()).signature,
                  job.history.at(job.history.now() - 1).signature);
      }
      if (job.history.expected() != History::kNone) {
        ASSERT_LT(job.history.expected(), job.history.now());
      }
    }
  }
}

// --- loops
// ------------------------------------------------------------------------------------------

constexpr uint64_t kBytes = 100;

std::optional<Loop> read(const History& history) {
  static constexpr uint64_t kPieces[] = {60, 40};
  return read_loop(history, {.ns = [](uint64_t) { return uint64_t{1000}; },
                             .pieces = [](uint64_t) { return std::span(kPieces); },
                             .bytes = [](uint64_t) { return kBytes; }});
}

TEST(ALoop, HasWhatLivesOnAndWhatEachLapMakes) {
  Job job;
  for (int lap = 0; lap < 3; lap++) {
    const uint64_t made = job.history.allocated(5, kBytes);
    job.launch('a', made);
    job.launch_all("bcdef");
    job.launch('g', made);
    job.history.freed(made);
    job.launch_all("hi");
  }
  const auto loop = read(job.history);
  ASSERT_TRUE(loop);
  EXPECT_EQ(loop->length, 10u);
  EXPECT_EQ(loop->cycle.kernels(), 9u);
  ASSERT_EQ(loop->slots.size(), 8u);
  ASSERT_EQ(loop->cycle.blocks.size(), 16u);
  const Block& made = loop->cycle.blocks[loop->slots[loop->made[0]].first];
  EXPECT_FALSE(made.lasting);
  EXPECT_EQ(made.bytes, 60u);
  EXPECT_EQ(made.born, 0u);
  EXPECT_EQ(made.dies, 7u);
  EXPECT_EQ(made.count, 2u);
  const Block& lasting = loop->cycle.blocks[loop->slots[loop->touched[1]].first];
  EXPECT_TRUE(lasting.lasting);
  EXPECT_EQ(lasting.count, 1u);
}

TEST(ALoop, KnowsWhatGoesAroundItsEnd) {
  Job job;
  uint64_t kept = History::kNone;
  for (int lap = 0; lap < 4; lap++) {
    job.launch_all("ab");
    if (kept != History::kNone) {
      job.launch('c', kept);
      job.history.freed(kept);
    } else {
      job.launch('c');
    }
    job.launch_all("def");
    kept = job.history.allocated(5, kBytes);
    job.launch('g', kept);
    job.launch('h');
  }
  const auto loop = read(job.history);
  ASSERT_TRUE(loop);
  const uint32_t slot = loop->made[6];
  ASSERT_NE(slot, Loop::kNobody);
  const Block& around = loop->cycle.blocks[loop->slots[slot].first];
  EXPECT_FALSE(around.lasting);
  EXPECT_EQ(around.born, 6u);
  EXPECT_EQ(around.dies, 8u + 3);
  ASSERT_EQ(around.count, 2u);
  const auto uses = loop->cycle.uses_of(around);
  EXPECT_EQ(uses[0].kernel, 6u);
  EXPECT_EQ(uses[1].kernel, 2u);
}

TEST(ALoop, IsNoneWhenOtherMemoryIsUsedEachTime) {
  Job job;
  for (uint64_t lap = 0; lap < 3; lap++)
    for (uint64_t i = 0; i < 10; i++) job.launch(static_cast<char>('a' + i), 100 * lap + i);
  ASSERT_TRUE(job.history.looped());
  EXPECT_FALSE(read(job.history));
}

TEST(ALoop, TakesWhatIsNeverFreedForLasting) {
  Job job;
  for (int lap = 0; lap < 3; lap++) {
    job.launch_all("abcdef");
    job.launch('g', job.history.allocated(5, kBytes));
  }
  const auto loop = read(job.history);
  ASSERT_TRUE(loop);
  EXPECT_TRUE(loop->cycle.blocks[loop->slots[loop->made[6]].first].lasting);
}

}  // namespace
}  // namespace spillway::policy
