// SPDX-License-Identifier: Apache-2.0
// A program in a fresh process: exactly the environment it is given, a deadline, and everything it
// said. Used by the integration tests, the random runner and the launch bench.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace support {

using Environment = std::map<std::string, std::string>;

struct Command {
  std::vector<std::string> arguments;  // the first is the path of the program
  Environment environment;             // all of it: nothing is inherited
  std::chrono::milliseconds deadline{60'000};
};

struct Finished {
  int exit_code = -1;  // -1: did not exit by itself
  int signal = 0;
  bool timed_out = false;  // killed, with all its children, at the deadline
  std::string out;
  std::string err;

  bool ok() const { return exit_code == 0; }
  std::string how() const;  // "exit 3", "signal 11 (Segmentation fault)", "deadline of 60 s passed"
};

// Runs it and waits for it and for the end of its output. Throws std::system_error when it cannot
// be started. Any number of threads may do so at once.
Finished run(const Command& command);

// The same, as a line for a shell.
std::string shell_line(const Command& command);

}  // namespace support
