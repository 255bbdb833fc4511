// SPDX-License-Identifier: Apache-2.0
#include "tools/outline.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

namespace spillway::tools {
namespace {

// What CLI11 calls the types of C++, and validators their sets, as a person would write it.
std::string value_name(const CLI::Option& option) {
  if (option.get_type_size() == 0) return "";
  const std::string type = option.get_type_name();
  if (const size_t words = type.find('{'); words != type.npos)
    return type.substr(words, type.find('}', words) + 1 - words);
  const std::string plain = type.substr(0, type.find(':'));
  return plain == "UINT" || plain == "INT" || plain == "FLOAT" ? "N" : plain;
}

std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words;
  if (!name.starts_with('{')) return words;
  name = name.substr(1, name.size() - 2);
  while (!name.empty()) {
    const size_t end = std::min(name.find(','), name.size());
    words.emplace_back(name.substr(0, end));
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return words;
}

struct Named {
  std::string_view name;
  Takes takes;
};
constexpr Named kTakes[] = {
    {"", Takes::Nothing}, {"FILE", Takes::File}, {"PROGRAM", Takes::Program}};

OutlineOption option_of(const CLI::Option& option) {
  OutlineOption out;
  for (const std::string& name : option.get_snames()) out.flags.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) out.flags.push_back("--" + name);
  out.name = value_name(option);
  out.words = words_of(out.name);
  out.takes = out.words.empty() ? Takes::Text : Takes::Words;
  for (const Named& row : kTakes)
    if (row.name == out.name) out.takes = row.takes;
  if (out.by_place()) {
    // A name in capitals is meant to be read; any other is the variable's.
    const std::string name = option.get_name(true, false);
    if (std::ranges::none_of(name, [](char c) { return c >= 'a' && c <= 'z'; })) out.name = name;
  }
  out.doc = option.get_description();
  out.fallback = option.get_default_str();
  out.required = option.get_required();
  out.repeats = option.get_expected_max() >= CLI::detail::expected_max_vector_size;
  return out;
}

void add_options(const CLI::App& app, bool one_of_several, std::vector<OutlineOption>* options) {
  for (const CLI::Option* option : app.get_options()) {
    if (one_of_several && option == app.get_help_ptr()) continue;  // a group has one too
    options->push_back(option_of(*option));
    options->back().one_of_several = one_of_several;
  }
}

}  // namespace

std::string Outline::usage() const {
  std::string text = name;
  std::string choice;
  if (!flags().empty()) text += " [OPTIONS]";
  for (const OutlineOption& option : options)
    if (option.one_of_several)
      choice += (choice.empty() ? "" : " | ") + option.flags.back() +
                (option.name.empty() ? "" : " " + option.name);
  if (!choice.empty()) text += " (" + choice + ")";
  for (const OutlineOption& option : options) {
    if (!option.by_place()) continue;
    const std::string some = option.name + (option.repeats ? "..." : "");
    if (option.takes == Takes::Program)
      text += " -- PROGRAM [ARGUMENTS...]";
    else
      text += option.required ? " " + some : " [" + some + "]";
  }
  return verbs.empty() ? text : text + " VERB";
}

std::vector<std::string> Outline::flags() const {
  std::vector<std::string> all;
  for (const OutlineOption& option : options) std::ranges::copy(option.flags, back_inserter(all));
  return all;
}

std::vector<std::string> Outline::verb_names() const {
  std::vector<std::string> all;
  for (const Outline& verb : verbs) all.push_back(verb.path.substr(verb.path.rfind(' ') + 1));
  return all;
}

const OutlineOption* Outline::option(std::string_view flag) const {
  for (const OutlineOption& option : options)
    if (std::ranges::find(option.flags, flag) != option.flags.end()) return &option;
  return nullptr;
}

Outline outline_of(const CLI::App& app) {
  Outline out;
  for (const CLI::App* each = &app; each->get_parent() != nullptr; each = each->get_parent())
    out.path = each->get_name() + (out.path.empty() ? "" : " " + out.path);
  out.name = out.path.empty() ? app.get_name() : "spillway " + out.path;
  out.doc = app.get_description();
  out.footer = app.get_footer();
  add_options(app, false, &out.options);
  for (const CLI::App* sub : app.get_subcommands({})) {
    // An option group is a verb without a name to CLI11.
    if (sub->get_name().empty())
      add_options(*sub, sub->get_require_option_min() == 1 && sub->get_require_option_max() == 1,
                  &out.options);
    else
      out.verbs.push_back(outline_of(*sub));
  }
  return out;
}

}  // namespace spillway::tools
