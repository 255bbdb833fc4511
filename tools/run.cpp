// SPDX-License-Identifier: Apache-2.0
// spillway run: the environment a program needs to run under Spillway, then the program itself in
// this process, so that signals, exit status and process id are its own.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "runtime/config.h"
#include "runtime/presets.h"
#include "tools/command.h"
#include "tools/program.h"

namespace spillway::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLibraryVariable = "SPILLWAY_LIBRARY";
constexpr const char* kLibraryName = "libspillway.so";

std::vector<std::string> words;  // the program and its arguments

struct RunFormatter : CLI::Formatter {
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: spillway run [OPTIONS] -- PROGRAM [ARGUMENTS...]\n";
  }
};

std::string flag_of(const OptionInfo& option) {
  std::string flag = "--" + std::string(option.field);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

// A flag is validated here, before anything starts, and handed on as the variable it stands for.
void add_flag(CLI::App& app, const OptionInfo& option) {
  const std::string flag = flag_of(option);
  const auto take = [&option, flag](const std::string& text) {
    Config scratch = default_config();
    if (!option.set(scratch, text)) throw CLI::ValidationError(bad_value(flag, option, text));
    setenv(std::string(option.env).c_str(), text.c_str(), 1);
  };
  std::string doc = std::string(option.doc);
  const std::string syntax = option.syntax();
  if (syntax.starts_with("one of ")) doc += " O" + syntax.substr(1) + ".";
  if (!option.fallback.empty()) doc += " Default: " + std::string(option.fallback) + ".";
  app.add_option_function<std::string>(flag, take, doc)->type_name("VALUE");
}

// Where the library is; empty, and said why, when there is none.
std::string find_library() {
  std::vector<fs::path> candidates;
  const char* named = std::getenv(kLibraryVariable);
  if (named != nullptr && *named != '\0') {
    candidates.emplace_back(named);
  } else {
    const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
    candidates = {here / kLibraryName, here.parent_path() / "lib" / kLibraryName};
  }
  for (const fs::path& candidate : candidates) {
    std::error_code failure;
    const fs::path path = fs::canonical(candidate, failure);
    if (failure) continue;
    if (!loadable_here(path)) {
      complain(path.string() + " is not a shared library for this machine");
      return "";
    }
    if (path.string().find_first_of(": \t\n") != std::string::npos) {
      complain("the loader cannot preload \"" + path.string() +
               "\": LD_PRELOAD has no way to write a colon or a space. Set " + kLibraryVariable +
               " to a copy elsewhere");
      return "";
    }
    return path;
  }
  std::string looked;
  for (const fs::path& candidate : candidates)
    looked += (looked.empty() ? "" : " or ") + candidate.string();
  complain("there is no " + looked + ": build it with `make`, or set " + kLibraryVariable +
           " to the library");
  return "";
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
  app.formatter(std::make_shared<RunFormatter>());
  // From its first word on, everything is the program's, however much it looks like an option.
  app.add_option("PROGRAM", words, "the program and its arguments");
  app.positionals_at_end();
  for (const OptionInfo& option : options()) add_flag(app, option);
  app.footer(
      "Each option stands for a variable (--device-limit for SPILLWAY_DEVICE_LIMIT) and wins over "
      "it.\nSizes: 512MiB, 8GiB, or a share such as 90%.\n"
      "Exit status: the program's own; 125 when spillway itself fails, 126 when the program cannot "
      "be run, 127 when it is not found.");
}

int run_program() {
  if (words.empty()) {
    complain("which program? For example: spillway run --device-limit 8GiB -- ./train");
    return kOwnFailure;
  }
  const std::string library = find_library();
  if (library.empty()) return kOwnFailure;
  const Located program = locate(words.front());
  if (program.path.empty()) {
    complain(program.failure);
    return program.status;
  }
  const std::string why_not = why_not_preloaded(program.path);
  if (!why_not.empty()) warn(why_not + ". It runs without Spillway.");

  apply_presets();
  preload(library);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execvp(program.path.c_str(), arguments.data());
  complain(program.path + ": " + std::strerror(errno));
  return errno == ENOENT ? kNotFound : kCannotRun;
}

}  // namespace spillway::tools
