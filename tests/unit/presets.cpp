// SPDX-License-Identifier: Apache-2.0
#include "runtime/presets.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "runtime/config.h"

namespace spillway {
namespace {

using Variables = std::map<std::string, std::string>;

Variables everything() {
  Variables out;
  for (const char* const* entry = environ; *entry != nullptr; ++entry) {
    const std::string text(*entry);
    out[text.substr(0, text.find('='))] = text.substr(text.find('=') + 1);
  }
  return out;
}

// What apply_presets() changes when the user has set `users`, and nothing else.
Variables changed_by_presets(const Variables& users) {
  clearenv();
  for (const auto& [name, value] : users) setenv(name.c_str(), value.c_str(), 1);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  apply_presets();
  EXPECT_EQ(testing::internal::GetCapturedStdout() + testing::internal::GetCapturedStderr(), "");
  Variables changed;
  for (const auto& [name, value] : everything()) {
    const auto user = users.find(name);
    if (user == users.end())
      changed[name] = value;
    else
      EXPECT_EQ(value, user->second) << name << " was the user's";
  }
  return changed;
}

Variables all_presets() {
  Variables out;
  for (const Preset& preset : presets()) out[preset.variable] = preset.value;
  return out;
}

TEST(Presets, AreAllSetWhereTheUserSaidNothing) {
  EXPECT_EQ(changed_by_presets({{"PATH", "/bin"}}), all_presets());
}

TEST(Presets, AreSetInAnEmptyEnvironment) {
  EXPECT_EQ(changed_by_presets({}), all_presets());
}

TEST(Presets, OneVariableOfTheUserKeepsUsOutOfItsWholeGroup) {
  for (const Preset& chosen : presets()) {
    Variables expected;
    for (const Preset& preset : presets()) {
      if (preset.group != chosen.group) expected[preset.variable] = preset.value;
    }
    for (const char* value : {"the user's own", ""}) {
      EXPECT_EQ(changed_by_presets({{chosen.variable, value}}), expected) << chosen.variable;
    }
  }
}

TEST(Presets, CanBeSwitchedOff) {
  EXPECT_TRUE(changed_by_presets({{"SPILLWAY_PRESETS", "off"}}).empty());
  EXPECT_TRUE(changed_by_presets({{"SPILLWAY_PRESETS", "0"}}).empty());
  EXPECT_TRUE(changed_by_presets({{"SPILLWAY_ENABLE", "off"}}).empty());
  EXPECT_EQ(changed_by_presets({{"SPILLWAY_PRESETS", "on"}}), all_presets());
  EXPECT_EQ(changed_by_presets({{"SPILLWAY_PRESETS", "perhaps"}}), all_presets())
      << "a bad value leaves the default, as everywhere";
}

TEST(Presets, TellPyTorchByBothOfItsNames) {
  const Variables set = changed_by_presets({});
  EXPECT_EQ(set.at("PYTORCH_CUDA_ALLOC_CONF"), "backend:cudaMallocAsync");
  EXPECT_EQ(set.at("PYTORCH_ALLOC_CONF"), "backend:cudaMallocAsync");
}

TEST(Presets, EveryRowSaysWhy) {
  for (const Preset& preset : presets()) EXPECT_GT(preset.why.size(), 10u) << preset.variable;
}

}  // namespace
}  // namespace spillway
