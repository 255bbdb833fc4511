// SPDX-License-Identifier: Apache-2.0
#include "runtime/config.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace fuzz {
namespace {

using spillway::Config;
using spillway::OptionInfo;

std::vector<std::string> entries_of(Input input) {
  std::vector<std::string> entries(1);
  for (const uint8_t byte : input) {
    if (byte == 0)
      entries.emplace_back();
    else
      entries.back() += static_cast<char>(byte);
  }
  return entries;
}

// What an option says of its value is a value that it takes, and the same one.
void round_trip(const OptionInfo& option, const Config& config) {
  const std::string text = option.value(config);
  Config again = spillway::default_config();
  hold(option.set(again, text), "what is printed can be set");
  hold(option.value(again) == text, "what is printed is what was set");
}

// A text that a value could be: of every option, whatever its name says.
void try_value(const std::string& text) {
  for (const OptionInfo& option : spillway::options()) {
    Config config = spillway::default_config();
    const std::string before = option.value(config);
    if (option.set(config, text))
      round_trip(option, config);
    else
      hold(option.value(config) == before, "a bad text changes nothing");
    hold(!spillway::bad_value(option.env, option, text).empty(), "a bad value has a sentence");
  }
}

void use(const Config& config) {
  for (const uint64_t total : {uint64_t{0}, uint64_t{1} << 40, ~uint64_t{0}}) {
    hold(config.device_limit.of(total) <= total, "a limit is within the total");
    hold(config.host_limit.of(total) <= total, "a limit is within the total");
  }
  for (const spillway::Path* path : {&config.trace, &config.summary, &config.log_file})
    hold(path->empty() || path->text.find('%') == 0 || !path->expanded().empty() ||
             path->text.empty(),
         "a path stays one");
}

}  // namespace

void config(Input input) {
  const std::vector<std::string> entries = entries_of(input);
  std::vector<const char*> environment;
  for (const std::string& entry : entries) environment.push_back(entry.c_str());
  environment.push_back(nullptr);
  size_t complaints = 0;
  const Config config = spillway::load_config(environment.data(), [&](std::string_view sentence) {
    hold(!sentence.empty(), "a complaint is a sentence");
    complaints++;
  });
  hold(complaints <= entries.size() + spillway::options().size(), "one complaint for each thing");
  for (const OptionInfo& option : spillway::options()) round_trip(option, config);
  use(config);
  for (const std::string& entry : entries)
    try_value(entry.substr(std::min(entry.find('=') + 1, entry.size())));
}

}  // namespace fuzz
