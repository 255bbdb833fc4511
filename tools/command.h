// SPDX-License-Identifier: Apache-2.0
// What the verbs of the `spillway` command have in common. One file per verb; the table is in
// main.cpp.
#pragma once

#include <string_view>

#include "tools/exit_status.h"

namespace CLI {
class App;
}

namespace spillway::tools {

struct Command {
  std::string_view name;
  std::string_view doc;
  void (*declare)(CLI::App& app);  // adds the verb's options
  int (*run)();                    // after parsing; the exit status
};

void declare_run(CLI::App& app);
int run_program();
void declare_config(CLI::App& app);
int show_config();
void declare_trace(CLI::App& app);
int run_trace();
void declare_replay(CLI::App& app);
int replay_trace();
void declare_top(CLI::App& app);
int show_top();
void declare_hooks(CLI::App& app);
int show_hooks();
void declare_doctor(CLI::App& app);
int run_doctor();
void declare_completion(CLI::App& app);
int print_completion();
void declare_man(CLI::App& app);
int print_man();

// "spillway: <text>" on stderr.
void complain(std::string_view text);
void warn(std::string_view text);

}  // namespace spillway::tools
