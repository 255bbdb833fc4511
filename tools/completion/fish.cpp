// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "tools/completion/completion.h"

namespace spillway::tools {
namespace {

// fish knows two escapes between single quotes.
std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// Where the words of a verb are offered: behind it, and before any verb under it.
std::string condition(const Outline& verb) {
  std::string text;
  for (std::string_view rest = verb.path; !rest.empty();) {
    const size_t end = std::min(rest.find(' '), rest.size());
    text += fmt::format("{}__fish_seen_subcommand_from {}", text.empty() ? "" : "; and ",
                        rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (text.empty()) return "__fish_use_subcommand";
  if (!verb.verbs.empty())
    text +=
        fmt::format("; and not __fish_seen_subcommand_from {}", fmt::join(verb.verb_names(), " "));
  return text;
}

std::string values(const OutlineOption& option) {
  switch (option.takes) {
    case Takes::Nothing:
      return "";
    case Takes::Words:
      return " -x -a " + fish_quoted(fmt::format("{}", fmt::join(option.words, " ")));
    case Takes::Program:
      return " -a '(__fish_complete_subcommand --fcs-skip=2)'";
    case Takes::Text:
    case Takes::File:
      break;
  }
  return option.by_place() ? " -F" : " -r -F";
}

}  // namespace

std::string completion_for_fish(const Outline& root) {
  std::string text =
      "# fish completion of spillway, made by `spillway completion fish`.\n"
      "complete -c spillway -f\n";
  each_verb(root, [&text](const Outline& verb) {
    const std::string start =
        fmt::format("complete -c spillway -n {}", fish_quoted(condition(verb)));
    const auto names = verb.verb_names();
    for (size_t i = 0; i < names.size(); ++i)
      text +=
          fmt::format("{} -a {} -d {}\n", start, names[i], fish_quoted(brief(verb.verbs[i].doc)));
    for (const OutlineOption& option : verb.options) {
      std::string flags;
      for (const std::string& flag : option.flags)
        flags += flag.starts_with("--") ? " -l " + flag.substr(2) : " -s " + flag.substr(1);
      text += start + flags + values(option);
      if (!option.by_place()) text += " -d " + fish_quoted(brief(option.doc));
      text += "\n";
    }
  });
  return text;
}

}  // namespace spillway::tools
