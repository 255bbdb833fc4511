// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "tools/completion/completion.h"

namespace spillway::tools {
namespace {

std::string function_of(const Outline& verb) {
  std::string name = "_spillway";
  for (const char c : verb.path.empty() ? "" : "_" + verb.path) name += c == ' ' ? '_' : c;
  return name;
}

// In a specification of _arguments and _describe these separate.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string action(const OutlineOption& option) {
  switch (option.takes) {
    case Takes::Nothing:
      return "";
    case Takes::Words:
      return fmt::format(":{}:({})", "value", fmt::join(option.words, " "));
    case Takes::File:
      return ":file:_files";
    case Takes::Text:
    case Takes::Program:
      break;
  }
  return ":" + escaped(option.name) + ":_default";
}

void add_arguments(const OutlineOption& option, std::vector<std::string>* specs) {
  if (option.takes == Takes::Program) {
    specs->push_back("(-)1:program:_command_names -e");
    specs->push_back("*::arguments:_normal");
  } else if (option.by_place()) {
    specs->push_back((option.repeats ? "*" : "1") + action(option));
  }
  for (const std::string& flag : option.flags) {
    const bool is_long = flag.starts_with("--") && option.takes != Takes::Nothing;
    specs->push_back(fmt::format("{}{}[{}]{}", flag, is_long ? "=" : "", escaped(brief(option.doc)),
                                 action(option)));
  }
}

std::string function(const Outline& verb) {
  std::vector<std::string> specs;
  for (const OutlineOption& option : verb.options) add_arguments(option, &specs);
  if (!verb.verbs.empty()) {
    specs.push_back("1: :->verb");
    specs.push_back("*:: :->rest");
  }
  std::string text = fmt::format(
      "{}() {{\n  local context state state_descr line\n"
      "  typeset -A opt_args\n  _arguments -C -S",
      function_of(verb));
  for (const std::string& spec : specs) text += " \\\n    " + shell_quoted(spec);
  text += "\n";
  if (!verb.verbs.empty()) {
    text += "  case $state in\n    verb)\n      local -a verbs=(\n";
    const auto names = verb.verb_names();
    for (size_t i = 0; i < names.size(); ++i)
      text += fmt::format("        {}\n",
                          shell_quoted(names[i] + ":" + escaped(brief(verb.verbs[i].doc))));
    text += fmt::format(
        "      )\n      _describe verb verbs\n      ;;\n"
        "    rest) _call_function - {}_$words[1] ;;\n  esac\n",
        function_of(verb));
  }
  return text + "}\n";
}

}  // namespace

std::string completion_for_zsh(const Outline& root) {
  std::string text = "#compdef spillway\n# Made by `spillway completion zsh`.\n";
  each_verb(root, [&text](const Outline& verb) { text += function(verb); });
  // Found in $fpath it is the function itself; in an eval it has to be named to the shell.
  return text +
         "if [[ $funcstack[1] == _spillway ]]; then\n  _spillway \"$@\"\nelse\n"
         "  compdef _spillway spillway\nfi\n";
}

}  // namespace spillway::tools
