// SPDX-License-Identifier: Apache-2.0
// The command line as data, read from the parser itself: help, completion and the manual page are
// made of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace spillway::tools {

enum class Takes { Nothing, Text, Words, File, Program };

struct OutlineOption {
  std::vector<std::string> flags;  // -o, --output; none for an argument by its place
  std::string name;                // of the value: FILE, {lru,clock}, N; empty for a switch
  std::string doc;
  std::string fallback;  // the default, where the parser knows one
  Takes takes = Takes::Nothing;
  std::vector<std::string> words;  // that it may be
  bool required = false, repeats = false;
  bool one_of_several = false;  // exactly one of those that have this is given

  bool by_place() const { return flags.empty(); }
};

struct Outline {
  std::string name;  // "spillway trace dump"
  std::string path;  // "trace dump"
  std::string doc, footer;
  std::vector<OutlineOption> options;  // and arguments by place
  std::vector<Outline> verbs;

  std::string usage() const;  // without "Usage: "
  std::vector<std::string> flags() const;
  std::vector<std::string> verb_names() const;
  const OutlineOption* option(std::string_view flag) const;  // null: there is none
};

Outline outline_of(const CLI::App& app);

}  // namespace spillway::tools
