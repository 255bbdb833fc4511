// SPDX-License-Identifier: Apache-2.0
// Work in a process of its own, because it may hang or crash: a driver, an interpreter.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace spillway::tools {

struct Aside {
  bool in_time = false;  // false: killed, with what it had started
  int signal = 0;        // that ended it otherwise
  int status = -1;       // what it exited with
};

// `work` runs in the child with a descriptor to write lines to, and its answer is the exit status.
// Each line is handed to `hear`. It is killed when it says nothing for `patience`, or has run for
// ten times as long.
Aside run_aside(std::chrono::milliseconds patience, const std::function<int(int out)>& work,
                const std::function<void(std::string_view line)>& hear);

// A program, as execvp() finds it, and everything that it says on stdout and stderr.
// `variables`: NAME=value, in addition to the environment.
Aside run_program_aside(std::chrono::milliseconds patience, std::vector<std::string> words,
                        const std::vector<std::string>& variables, std::string* said);

}  // namespace spillway::tools
