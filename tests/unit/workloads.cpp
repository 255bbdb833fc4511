// SPDX-License-Identifier: Apache-2.0
// That the workloads which policies are judged by are what they say.
#include "tests/workloads/workloads.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "policy/cycle.h"
#include "policy/workload_text.h"

namespace workloads {
namespace {

using spillway::policy::Event;
using spillway::policy::Mode;
using spillway::policy::Workload;

constexpr unsigned kFew = 4;

class EveryWorkload : public testing::TestWithParam<const Entry*> {
 protected:
  // The long one is as the others are, and its iterations are no different.
  unsigned few() const { return GetParam()->kind == Kind::Large ? 3 : kFew; }
};

std::string name_of(const testing::TestParamInfo<const Entry*>& info) {
  std::string name(info.param->name);
  for (char& letter : name)
    if (!std::isalnum(static_cast<unsigned char>(letter))) letter = '_';
  return name;
}

std::vector<const Entry*> pointers() {
  std::vector<const Entry*> entries;
  for (const Entry& entry : all()) entries.push_back(&entry);
  return entries;
}

INSTANTIATE_TEST_SUITE_P(Workloads, EveryWorkload, testing::ValuesIn(pointers()), name_of);

std::vector<size_t> marks_of(const Workload& workload) {
  std::vector<size_t> marks;
  for (size_t i = 0; i < workload.events.size(); ++i)
    if (workload.events[i].kind == Event::Kind::Iteration) marks.push_back(i);
  return marks;
}

size_t kernels_between(const Workload& workload, size_t begin, size_t end) {
  size_t kernels = 0;
  for (size_t i = begin; i < end; ++i) kernels += workload.events[i].kind == Event::Kind::Kernel;
  return kernels;
}

TEST_P(EveryWorkload, UsesWhatIsAllocatedAndReadsWhatHasBeenWritten) {
  const Workload workload = GetParam()->make(few());
  enum class State : uint8_t { Unknown, Allocated, Written, Freed };
  std::vector<State> states(workload.buffers.size(), State::Unknown);
  for (const Event& event : workload.events) {
    switch (event.kind) {
      case Event::Kind::Allocate:
        ASSERT_EQ(states[event.buffer], State::Unknown);
        ASSERT_GE(workload.buffers[event.buffer], 2u << 20) << "the library never sees it";
        states[event.buffer] = State::Allocated;
        break;
      case Event::Kind::Free:
        ASSERT_NE(states[event.buffer], State::Unknown);
        ASSERT_NE(states[event.buffer], State::Freed);
        states[event.buffer] = State::Freed;
        break;
      case Event::Kind::Kernel: {
        ASSERT_GE(event.ns, 3'000u);
        std::set<uint32_t> once;
        for (const auto& use : workload.uses_of(event)) {
          const std::string& kernel = workload.names[event.name];
          ASSERT_TRUE(once.insert(use.buffer).second) << kernel;
          State& state = states[use.buffer];
          ASSERT_TRUE(state == State::Allocated || state == State::Written) << kernel;
          // Of memory to work in, kernels may write parts before they read them.
          if (use.mode == Mode::Read) {
            ASSERT_EQ(state, State::Written) << kernel;
          }
          if (use.mode != Mode::Read) state = State::Written;
        }
        break;
      }
      case Event::Kind::Iteration:
        break;
    }
  }
}

TEST_P(EveryWorkload, HasEverythingThatLastsBeforeItsFirstIteration) {
  const Workload workload = GetParam()->make(few());
  const std::vector<size_t> marks = marks_of(workload);
  ASSERT_EQ(marks.size(), few());
  std::set<uint32_t> made_later;
  for (size_t i = 0; i < workload.events.size(); ++i) {
    const Event& event = workload.events[i];
    if (event.kind == Event::Kind::Free) {
      ASSERT_TRUE(made_later.erase(event.buffer)) << "freed, though made before the first mark";
    }
    if (event.kind == Event::Kind::Allocate && i > marks[0]) made_later.insert(event.buffer);
  }
  if (GetParam()->kind != Kind::Irregular) {
    EXPECT_TRUE(made_later.empty());
  }
}

TEST_P(EveryWorkload, RepeatsItselfWhenItSaysSo) {
  const Workload workload = GetParam()->make(few());
  const std::vector<size_t> marks = marks_of(workload);
  const bool regular = GetParam()->kind != Kind::Irregular;
  const size_t kernels = kernels_between(workload, marks[1], marks[2]);
  if (GetParam()->kind == Kind::Large) {
    EXPECT_GE(kernels, 100'000u);
  } else {
    EXPECT_GE(kernels, 100u);
    EXPECT_LE(kernels, 4'500u);
  }
  if (!regular) return;
  for (size_t lap = 1; lap + 1 < marks.size(); ++lap) {
    const auto cycle = spillway::policy::cycle_of(workload, lap);
    ASSERT_EQ(cycle.kernels(), kernels) << "iteration " << lap;
    const Event* before = &workload.events[marks[lap - 1]];
    for (size_t i = 0; i < marks[lap + 1] - marks[lap]; ++i)
      ASSERT_EQ(workload.events[marks[lap] + i].ns, before[i].ns) << "not the same time";
  }
}

TEST_P(EveryWorkload, IsTheSameEveryTime) {
  if (GetParam()->kind == Kind::Large) GTEST_SKIP() << "as the others";
  const Workload one = GetParam()->make(3), other = GetParam()->make(3);
  EXPECT_EQ(one.buffers, other.buffers);
  ASSERT_EQ(one.events.size(), other.events.size());
  ASSERT_EQ(one.uses.size(), other.uses.size());
  for (size_t i = 0; i < one.uses.size(); ++i)
    ASSERT_TRUE(one.uses[i].buffer == other.uses[i].buffer &&
                one.uses[i].mode == other.uses[i].mode);
}

TEST_P(EveryWorkload, IsTheSameAfterItWasText) {
  const Workload workload = GetParam()->make(2);
  std::stringstream text;
  spillway::policy::write_workload_text(workload, text);
  const Workload again = spillway::policy::read_workload_text(text);
  EXPECT_EQ(again.name, workload.name);
  EXPECT_EQ(again.names, workload.names);
  EXPECT_EQ(again.buffers, workload.buffers);
  ASSERT_EQ(again.events.size(), workload.events.size());
  std::stringstream once_more;
  spillway::policy::write_workload_text(again, once_more);
  EXPECT_TRUE(once_more.str() == text.str());
}

TEST_P(EveryWorkload, FitsThreeTimesOver) {
  const Workload workload = GetParam()->make(few());
  EXPECT_GT(peak_bytes(workload), 4ull << 30);
  // A workload with a wider kernel says nothing about policies.
  EXPECT_LT(2 * widest_kernel(workload), peak_bytes(workload));
}

TEST(RandomAndGrowing, DoNotRepeat) {
  const Workload random = find("random")->make(4);
  for (size_t lap = 1; lap < 3; ++lap)
    EXPECT_EQ(spillway::policy::cycle_of(random, lap).kernels(), 0u);
  const Workload growing = find("gpt-1.3b-grow")->make(8);
  EXPECT_GT(spillway::policy::cycle_of(growing, 3).kernels(), 0u);
  EXPECT_EQ(spillway::policy::cycle_of(growing, 4).kernels(), 0u) << "the loop has changed";
  EXPECT_GT(spillway::policy::cycle_of(growing, 5).kernels(), 0u);
}

// --- sizes in closed form ---

struct Gpt {
  double layers, width, vocabulary;
  double weights() const { return layers * 12 * width * width + vocabulary * width; }
};
constexpr Gpt k1b3{24, 2048, 50304}, k6b7{32, 4096, 50304}, k13b{40, 5120, 50304};

// 14 bytes of states for each weight; of every layer, 32 bytes of activations for each token and
// element of its width; and the logits, whose gradient is in their place. The peak is in the first
// kernels of the backward pass.
double footprint(const Gpt& gpt, double tokens) {
  return 14 * gpt.weights() + 32 * gpt.layers * tokens * gpt.width + 2 * tokens * gpt.vocabulary;
}

double peak_of(const char* name) {
  return static_cast<double>(peak_bytes(find(name)->make(2)));
}

void expect_near(double value, double expected, double share) {
  EXPECT_NEAR(value / expected, 1, share) << value / 1e9 << " and not " << expected / 1e9 << " GB";
}

TEST(Footprints, OfGptAreStatesAndActivations) {
  expect_near(peak_of("gpt-1.3b-8k"), footprint(k1b3, 8192), 0.03);
  expect_near(peak_of("gpt-1.3b-32k"), footprint(k1b3, 32768), 0.03);
  expect_near(peak_of("gpt-6.7b-16k"), footprint(k6b7, 16384), 0.03);
  expect_near(peak_of("gpt-13b-32k"), footprint(k13b, 32768), 0.03);
}

TEST(Footprints, OfAccumulationHaveTheGradientsToo) {
  expect_near(peak_of("gpt-6.7b-accumulate"), footprint(k6b7, 8192) + 2 * k6b7.weights(), 0.03);
}

// What is kept is a layer's input; one layer at a time has all of it. Towards the end of the
// backward pass there are all gradients, in place of the checkpoints.
TEST(Footprints, OfCheckpointsHaveOneLayerInFull) {
  const double tokens = 32768, one = 32 * tokens * k6b7.width;
  expect_near(peak_of("gpt-6.7b-checkpoint"), 16 * k6b7.weights() + one, 0.05);
}

TEST(Footprints, OfBertHaveTheProbabilities) {
  const double tokens = 32 * 512;
  const double weights = 24 * 12 * 1024.0 * 1024 + 30522 * 1024;
  const double activations = 24 * tokens * (32 * 1024 + 2 * 16 * 512) + 2 * tokens * 30522;
  expect_near(peak_of("bert-large"), 14 * weights + activations, 0.03);
}

// Published counts of activations: 11.1 million elements come out of the convolutions of ResNet-50
// for an image; each is kept before and after its normalisation.
TEST(Footprints, OfResNetAreTwiceTheResultsOfItsConvolutions) {
  expect_near(peak_of("resnet-50"), 256 * 11.1e6 * 2 * 2, 0.15);
}

// The first time step that goes back makes the gradients of all weights.
TEST(Footprints, OfTheLstmAreGatesAndStatesOfEveryStep) {
  const double weights = 4 * 8 * 4096.0 * 4096;
  const double step = 4 * (4 + 2) * 512 * 4096.0 * 2;
  expect_near(peak_of("lstm"), 16 * weights + 128 * (step + 512 * 4096 * 2.0), 0.03);
}

TEST(Footprints, OfInferenceAreWeightsAndCaches) {
  const double caches = 40 * 32 * 1032.0 * 2 * 5120 * 2;
  const double passing = 9 * 32 * 1024.0 * 5120 * 2;  // in the feed-forward part of a layer
  expect_near(peak_of("inference-13b"), 2 * k13b.weights() + caches + passing, 0.01);
}

// --- durations ---

// Six operations for each weight and token, and attention: at the rate of matrix products, most of
// an iteration that is not the optimizer's.
TEST(Durations, OfGptAreThoseOfItsProducts) {
  const Workload workload = find("gpt-13b-32k")->make(3);
  const auto cycle = spillway::policy::cycle_of(workload, 1);
  double ns = 0;
  for (const uint64_t each : cycle.ns) ns += static_cast<double>(each);
  const double attention = 3.5 * 40 * 2 * 32768 * 2048.0 * 5120;
  const double products = (6 * k13b.weights() * 32768 + attention) / 600e12 * 1e9;
  EXPECT_GT(ns, products);
  EXPECT_LT(ns, 1.2 * products);
}

TEST(Modes, OfAReadScanAreReads) {
  const Workload workload = find("scan-read")->make(3);
  for (size_t i = marks_of(workload)[0]; i < workload.events.size(); ++i) {
    for (const auto& use : workload.uses_of(workload.events[i])) {
      EXPECT_EQ(use.mode, Mode::Read);
    }
  }
}

TEST(TheTable, HasNamesOfItsOwn) {
  std::set<std::string_view> names;
  for (const Entry& entry : all()) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_EQ(find(entry.name), &entry);
    EXPECT_FALSE(entry.meaning.empty() || entry.source.empty());
  }
  EXPECT_EQ(find("gpt"), nullptr);
}

}  // namespace
}  // namespace workloads
