// SPDX-License-Identifier: Apache-2.0
// spillway run: the environment a program needs to run under Spillway, then the program itself in
// this process, so that signals, exit status and process id are its own.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "runtime/config.h"
#include "runtime/presets.h"
#include "tools/command.h"
#include "tools/library.h"
#include "tools/program.h"

namespace spillway::tools {
namespace {

std::vector<std::string> words;  // the program and its arguments

std::string flag_of(const OptionInfo& option) {
  std::string flag = "--" + std::string(option.field);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

struct ValueName {
  std::string_view begins;  // what the type says of itself
  const char* name;
};
constexpr ValueName kValueNames[] = {{"a share", "SIZE|%"},
                                     {"a number of bytes", "SIZE"},
                                     {"a path", "FILE"},
                                     {"beginnings", "NAMES"}};

// "one of lru, clock" and "on or off" as {lru,clock} and {on,off}: help and completion know the
// words by that.
std::string value_name(std::string syntax) {
  for (const ValueName& row : kValueNames)
    if (syntax.starts_with(row.begins)) return row.name;
  if (syntax == "on or off") return "{on,off}";
  constexpr std::string_view kOneOf = "one of ";
  if (!syntax.starts_with(kOneOf)) return "VALUE";
  std::erase(syntax.erase(0, kOneOf.size()), ' ');
  return "{" + syntax + "}";
}

// A flag is validated here, before anything starts, and handed on as the variable it stands for.
void add_flag(CLI::App& app, const OptionInfo& option) {
  const std::string flag = flag_of(option);
  const auto take = [&option, flag](const std::string& text) {
    Config scratch = default_config();
    if (!option.set(scratch, text)) throw CLI::ValidationError(bad_value(flag, option, text));
    setenv(std::string(option.env).c_str(), text.c_str(), 1);
  };
  app.add_option_function<std::string>(flag, take, std::string(option.doc))
      ->type_name(value_name(option.syntax()))
      ->default_str(std::string(option.fallback));
}

// Behind what is there: a sanitizer's runtime insists on being the first.
void preload(const std::string& library) {
  const char* old = std::getenv("LD_PRELOAD");
  std::string list = old != nullptr ? old : "";
  std::string entry;
  for (std::istringstream entries(list); std::getline(entries, entry, ':');) {
    for (std::istringstream words(entry); words >> entry;) {
      if (entry == library) return;
    }
  }
  list += (list.empty() ? "" : ":") + library;
  setenv("LD_PRELOAD", list.c_str(), 1);
}

}  // namespace

void declare_run(CLI::App& app) {
  // From its first word on, everything is the program's, however much it looks like an option.
  app.add_option("PROGRAM", words, "the program and its arguments")->type_name("PROGRAM");
  app.positionals_at_end();
  for (const OptionInfo& option : options()) add_flag(app, option);
  app.footer(
      "Each option stands for a variable (--device-limit for SPILLWAY_DEVICE_LIMIT) and wins over "
      "it. Sizes: 512MiB, 8GiB, or a share such as 90%.");
}

int run_program() {
  if (words.empty()) {
    complain("which program? For example: spillway run --device-limit 8GiB -- ./train");
    return kOwnFailure;
  }
  const Library library = find_library();
  if (library.path.empty()) {
    complain(library.failure);
    return kOwnFailure;
  }
  const Located program = locate(words.front());
  if (program.path.empty()) {
    complain(program.failure);
    return program.status;
  }
  const std::string why_not = why_not_preloaded(program.path);
  if (!why_not.empty()) warn(why_not + ". It runs without Spillway.");

  apply_presets();
  preload(library.path);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execvp(program.path.c_str(), arguments.data());
  complain(program.path + ": " + std::strerror(errno));
  return errno == ENOENT ? kNotFound : kCannotRun;
}

}  // namespace spillway::tools
