// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "tools/completion/completion.h"

namespace spillway::tools {
namespace {

// The words before the cursor lead to a verb ($path), to an option that waits for its value
// ($waiting), or into the program that `run` starts ($program: the place of its first word). bash
// has split --option=value at the equals sign.
constexpr const char* kReader = R"sh(
_spillway() {
  local cur=${COMP_WORDS[COMP_CWORD]} path='' waiting='' program='' i word
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == '=' ]]; then
      continue
    elif [[ -n $waiting ]]; then
      waiting=''
    elif [[ $word == '--' ]]; then
      [[ $(_spillway_values "$path" --) == @program ]] && program=$((i + 1))
      break
    elif [[ $word == -* ]]; then
      [[ -n $(_spillway_values "$path" "$word") ]] && waiting=$word
    elif [[ -n $(_spillway_words "${path:+$path }$word") ]]; then
      path="${path:+$path }$word"
    elif [[ $(_spillway_values "$path" --) == @program ]]; then
      program=$i
      break
    fi
  done
  if [[ -n $program ]]; then
    if ((program == COMP_CWORD)); then
      COMPREPLY=($(compgen -c -- "$cur"))
    elif declare -F _command_offset >/dev/null; then
      _command_offset "$program"
    fi
    return
  fi
  [[ $cur == '=' ]] && cur=''
  local words hide=''
  if [[ -n $waiting ]]; then
    words=$(_spillway_values "$path" "$waiting")
  else
    words="$(_spillway_words "$path") $(_spillway_values "$path" --)"
    [[ $cur == -* ]] || hide='-*'
    [[ $words == *@program ]] && COMPREPLY=($(compgen -c -- "$cur"))
  fi
  # What has no words of its own is left to the default: files.
  COMPREPLY+=($(compgen -W "${words/@[a-z]*/}" ${hide:+-X "$hide"} -- "$cur"))
}
complete -o default -F _spillway spillway
)sh";

std::string values(const OutlineOption& option) {
  switch (option.takes) {
    case Takes::Nothing:
      return "";
    case Takes::Text:
      return "@text";
    case Takes::File:
      return "@file";
    case Takes::Program:
      return "@program";
    case Takes::Words:
      break;
  }
  return fmt::format("{}", fmt::join(option.words, " "));
}

}  // namespace

std::string completion_for_bash(const Outline& root) {
  std::string words =
      "# The verbs and options behind a verb; nothing for what is no verb.\n"
      "_spillway_words() {\n  case $1 in\n";
  std::string taken =
      "# What an option of a verb takes, or (--) its arguments: words, or what kind of thing;\n"
      "# nothing for a switch.\n"
      "_spillway_values() {\n  case \"$1 $2\" in\n";
  each_verb(root, [&](const Outline& verb) {
    std::vector<std::string> all = verb.verb_names();
    for (const OutlineOption& option : verb.options) {
      all.insert(all.end(), option.flags.begin(), option.flags.end());
      const std::string what = values(option);
      if (what.empty()) continue;
      std::string places;
      for (const std::string& flag : option.flags)
        places += (places.empty() ? "" : " | ") + shell_quoted(verb.path + " " + flag);
      if (option.by_place()) places = shell_quoted(verb.path + " --");
      taken += fmt::format("    {}) echo {} ;;\n", places, shell_quoted(what));
    }
    words += fmt::format("    {}) echo {} ;;\n", shell_quoted(verb.path),
                         shell_quoted(fmt::format("{}", fmt::join(all, " "))));
  });
  return "# bash completion of spillway, made by `spillway completion bash`.\n" + words +
         "  esac\n}\n" + taken + "  esac\n}\n" + (kReader + 1);
}

}  // namespace spillway::tools
