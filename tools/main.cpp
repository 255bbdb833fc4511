// SPDX-License-Identifier: Apache-2.0
// The `spillway` command: a table of verbs.
#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "tools/command.h"
#include "tools/help.h"
#include "tools/outline.h"

namespace spillway::tools {
namespace {

constexpr auto kCommands = std::to_array<Command>({
    {"run", "run a program under Spillway", declare_run, run_program},
    {"trace", "what a recorded run did: summary, timeline, blame, diff, report, dump, export",
     declare_trace, run_trace},
    {"replay", "a recorded job under other budgets, policies and links, in a model", declare_replay,
     replay_trace},
    {"top", "what the running jobs do just now", declare_top, show_top},
    {"config", "every option: value, default, meaning, where the value came from", declare_config,
     show_config},
    {"hooks", "every function of the driver API: what Spillway does with it, and why",
     declare_hooks, show_hooks},
    {"doctor", "what this machine can do, and what Spillway will do on it", declare_doctor,
     run_doctor},
    {"completion", "what makes a shell complete this command's verbs and options",
     declare_completion, print_completion},
    {"man", "the manual page: `spillway man | man -l -`", declare_man, print_man},
});

int run(int argc, char** argv) {
  CLI::App app("Spillway lets a CUDA program use more memory than its GPU has.", "spillway");
  app.set_version_flag("--version", "spillway " SPILLWAY_VERSION, "the version of Spillway");
  app.require_subcommand(1);
  app.formatter(help_formatter());
  app.get_help_ptr()->description("what you read");
  std::array<CLI::App*, kCommands.size()> verbs{};
  for (size_t i = 0; i < kCommands.size(); ++i) {
    verbs[i] = app.add_subcommand(std::string(kCommands[i].name), std::string(kCommands[i].doc));
    kCommands[i].declare(*verbs[i]);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // help, or the version
    complain(what_is_wrong(outline_of(app), {argv + 1, argv + argc}, error.what()));
    return kOwnFailure;
  }
  for (size_t i = 0; i < kCommands.size(); ++i) {
    if (!verbs[i]->parsed()) continue;
    const int status = kCommands[i].run();
    if (std::fflush(stdout) == 0) return status;
    throw std::runtime_error("cannot write to stdout");
  }
  return kOwnFailure;
}

}  // namespace

}  // namespace spillway::tools

int main(int argc, char** argv) {
  try {
    return spillway::tools::run(argc, argv);
  } catch (const std::exception& failure) {
    // fmt says that it cannot write, and not what to.
    spillway::tools::complain(std::ferror(stdout) ? "cannot write to stdout" : failure.what());
    return spillway::tools::kOwnFailure;
  }
}
