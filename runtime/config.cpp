// SPDX-License-Identifier: Apache-2.0
#include "runtime/config.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

namespace spillway {
namespace {

constexpr auto kOptions = std::to_array<OptionInfo>({
#define OPTION(field, type, env, fallback, doc)                                     \
  {#field,                                                                          \
   env,                                                                             \
   fallback,                                                                        \
   doc,                                                                             \
   [] { return syntax(type{}); },                                                   \
   [](Config& config, std::string_view text) { return parse(text, config.field); }, \
   [](const Config& config) { return to_text(config.field); }},
#define KNOWN(env, doc)
#include "runtime/config.def"
#undef KNOWN
#undef OPTION
});

// Every variable that is not a typo.
constexpr auto kKnown = std::to_array<std::string_view>({
#define OPTION(field, type, env, fallback, doc) env,
#define KNOWN(env, doc) env,
#include "runtime/config.def"
#undef KNOWN
#undef OPTION
});

constexpr std::string_view kPrefix = "SPILLWAY_";

// Levenshtein's distance, one row at a time.
size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < left.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < right.size(); ++j) {
      const size_t replaced = diagonal + (left[i] == right[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string unknown_variable(std::string_view name) {
  const auto distance = [name](std::string_view known) { return edit_distance(name, known); };
  const std::string_view nearest = *std::ranges::min_element(kKnown, {}, distance);
  // A third of the part that differs from variable to variable may be wrong.
  const size_t tolerated = std::max<size_t>(1, (name.size() - kPrefix.size()) / 3);
  if (distance(nearest) <= tolerated) {
    return fmt::format("{} is not an option: did you mean {}?", name, nearest);
  }
  return fmt::format("{} is not an option: `spillway config` lists them all", name);
}

}  // namespace

std::span<const OptionInfo> options() {
  return kOptions;
}

Config default_config() {
  Config config;
  for (const OptionInfo& option : kOptions) option.set(config, option.fallback);
  return config;
}

const char* find_variable(const char* const* environment, std::string_view name) noexcept {
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry(*environment);
    if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name)) {
      return *environment + name.size() + 1;
    }
  }
  return nullptr;
}

std::string bad_value(std::string_view what, const OptionInfo& option, std::string_view text) {
  return fmt::format("{}={}: not {}", what, text, option.syntax());
}

Config load_config(const char* const* environment, const Complain& complain) {
  Config config = default_config();
  for (const OptionInfo& option : kOptions) {
    const char* text = find_variable(environment, option.env);
    if (text == nullptr || *text == '\0' || option.set(config, text)) continue;
    complain(fmt::format("{}; the default {} stands", bad_value(option.env, option, text),
                         option.fallback));
  }
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry(*environment);
    const std::string_view name = entry.substr(0, entry.find('='));
    if (name.starts_with(kPrefix) && std::ranges::find(kKnown, name) == kKnown.end()) {
      complain(unknown_variable(name));
    }
  }
  return config;
}

const Config& config() noexcept {
  static const Config& loaded = []() noexcept -> const Config& {
    static const Config nothing{};
    try {
      std::vector<std::string> complaints;
      const auto* read = new Config(load_config(
          environ, [&](std::string_view sentence) { complaints.emplace_back(sentence); }));
      log_configure(read->log, read->log_file.text);
      for (const std::string& sentence : complaints) log_line(LogLevel::Warn, sentence);
      return *read;
    } catch (...) {
      log_line(LogLevel::Error, "out of memory while reading the options: inactive");
      return nothing;
    }
  }();
  return loaded;
}

}  // namespace spillway
