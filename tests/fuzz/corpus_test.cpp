// SPDX-License-Identifier: Apache-2.0
// Whatever was once found to be hard, by whom ever: every file of the corpus, in every build.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/folder.h"

namespace {

struct Target {
  const char* name;
  const char* folder;
  void (*run)(fuzz::Input input);
};
constexpr Target kTargets[] = {{"trace_reader", "trace", fuzz::trace_reader},
                               {"trace_verbs", "trace", fuzz::trace_verbs},
                               {"config", "config", fuzz::config}};

void PrintTo(const Target& target, std::ostream* out) {
  *out << target.name;
}

class Corpus : public testing::TestWithParam<Target> {};

TEST_P(Corpus, IsTaken) {
  size_t files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(FUZZ_CORPUS "/") + GetParam().folder)) {
    SCOPED_TRACE(entry.path());
    const std::string bytes = support::read_file(entry.path());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    GetParam().run({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
    testing::internal::GetCapturedStdout();
    testing::internal::GetCapturedStderr();
    files++;
  }
  EXPECT_GE(files, 15u);
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, testing::ValuesIn(kTargets),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
