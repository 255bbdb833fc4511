// SPDX-License-Identifier: Apache-2.0
// spillway config: what the library would read from this environment.
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "runtime/config.h"
#include "runtime/presets.h"
#include "tools/command.h"
#include "tools/json.h"

namespace spillway::tools {
namespace {

bool as_json = false;

std::string source_of(const OptionInfo& option) {
  const char* text = find_variable(environ, option.env);
  if (text == nullptr || *text == '\0') return "default";
  Config scratch = default_config();
  return option.set(scratch, text) ? "environment" : "default, the environment's value is bad";
}

void print_json(const Config& config) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const OptionInfo& option : options()) {
    rows.push_back({{"variable", option.env},
                    {"value", option.value(config)},
                    {"default", option.fallback},
                    {"source", source_of(option)},
                    {"syntax", option.syntax()},
                    {"meaning", option.doc}});
  }
  fmt::print("{}\n", text_of(rows));
}

void print_text(const Config& config) {
  for (const OptionInfo& option : options()) {
    const std::string source = source_of(option);
    fmt::print("{}={}\n    {}\n    From: {}.", option.env, option.value(config), option.doc,
               source);
    if (source == "environment") {
      fmt::print(" Default: {}.", option.fallback.empty() ? "empty" : option.fallback);
    }
    fmt::print(" Syntax: {}.\n\n", option.syntax());
  }
  fmt::print("Presets, set where the user has not (SPILLWAY_PRESETS):\n");
  for (const Preset& preset : presets()) {
    fmt::print("    {}={}\n        {}: {}\n", preset.variable, preset.value, preset.group,
               preset.why);
  }
}

}  // namespace

void declare_config(CLI::App& app) {
  app.add_flag("--json", as_json, "the options as JSON");
  app.footer("Shows what a program started from this environment would get.");
}

int show_config() {
  const Config config = load_config(environ, warn);
  as_json ? print_json(config) : print_text(config);
  return 0;
}

}  // namespace spillway::tools
