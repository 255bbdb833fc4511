// SPDX-License-Identifier: Apache-2.0
// What the command exits with: the one table, for --help and the manual page.
#pragma once

#include <array>
#include <string_view>

namespace spillway::tools {

// As env(1) has them: what the program itself returned is never confused with our own failure.
inline constexpr int kNotSo = 1;  // asked well, answered with no
inline constexpr int kOwnFailure = 125;
inline constexpr int kCannotRun = 126;
inline constexpr int kNotFound = 127;

struct ExitStatus {
  std::string_view status;
  std::string_view verb;  // whose; empty: of all
  std::string_view meaning;
};
inline constexpr auto kExitStatuses = std::to_array<ExitStatus>({
    {"0", "", "done; of `run`: what the program returned, as any other number"},
    {"1", "hooks", "no function of the table matches"},
    {"1", "doctor", "Spillway cannot work on this machine; the rows that fail say why"},
    {"125", "", "spillway itself failed: a bad option, a file that cannot be read or written"},
    {"126", "run", "the program cannot be run"},
    {"127", "run", "the program is not found"},
    {"128+n", "run", "signal n ended the program: so a shell says it, the signal is its own"},
});

}  // namespace spillway::tools
