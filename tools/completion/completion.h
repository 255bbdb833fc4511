// SPDX-License-Identifier: Apache-2.0
// What makes a shell complete the command: one file per shell, each a table made of the outline and
// a fixed function that reads it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/outline.h"

namespace spillway::tools {

std::string completion_for_bash(const Outline& root);
std::string completion_for_zsh(const Outline& root);
std::string completion_for_fish(const Outline& root);

// visit(verb) for the command itself and all verbs under it.
template <class Visit>
void each_verb(const Outline& verb, Visit&& visit) {
  visit(verb);
  for (const Outline& each : verb.verbs) each_verb(each, visit);
}

// What fits behind a word in a list: the first clause.
std::string brief(std::string_view doc);
// In single quotes, for a POSIX shell.
std::string shell_quoted(std::string_view text);

}  // namespace spillway::tools
