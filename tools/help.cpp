// SPDX-License-Identifier: Apache-2.0
#include "tools/help.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <numeric>

#include "tools/exit_status.h"
#include "tools/outline.h"

namespace spillway::tools {
namespace {

constexpr size_t kColumn = 26;

std::string entry(const std::string& name, const std::string& doc) {
  std::string out = "  " + name;
  if (out.size() + 2 > kColumn)
    out += "\n" + std::string(kColumn, ' ');
  else
    out.resize(kColumn, ' ');
  return out + wrapped(doc, kColumn) + "\n";
}

std::string entry(const OutlineOption& option) {
  std::string name = fmt::format("{}", fmt::join(option.flags, ", "));
  if (!option.name.empty()) name += (name.empty() ? "" : " ") + option.name;
  if (option.by_place() && option.repeats) name += "...";
  std::string doc = option.doc;
  if (!option.fallback.empty()) doc += " (default: " + option.fallback + ")";
  return entry(name, doc);
}

std::string entries(const char* title, const Outline& verb, bool by_place) {
  std::string text;
  for (const OutlineOption& option : verb.options)
    if (option.by_place() == by_place) text += entry(option);
  return text.empty() ? "" : fmt::format("\n{}:\n{}", title, text);
}

// `path` empty: all rows of the table, and whose they are; of a verb: its own.
std::string exit_statuses(const std::string& path) {
  std::string text;
  const bool has_its_own =
      path.empty() || std::ranges::any_of(kExitStatuses, [&path](const ExitStatus& row) {
        return row.verb == path;
      });
  if (!has_its_own) return "";
  for (const ExitStatus& row : kExitStatuses) {
    if (!path.empty() && !row.verb.empty() && row.verb != path) continue;
    const bool whose = path.empty() && !row.verb.empty();
    text += entry(std::string(row.status),
                  whose ? fmt::format("{}: {}", row.verb, row.meaning) : std::string(row.meaning));
  }
  return "\nExit status:\n" + text;
}

class Formatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const override {
    const Outline verb = outline_of(*app);
    std::string text = fmt::format("Usage: {}\n\n{}\n", verb.usage(), wrapped(verb.doc, 0));
    text += entries("Arguments", verb, true);
    if (!verb.verbs.empty()) text += "\nVerbs:\n";
    for (const Outline& each : verb.verbs)
      text += entry(each.path.substr(each.path.rfind(' ') + 1), each.doc);
    text += entries("Options", verb, false);
    text += exit_statuses(verb.path);
    if (!verb.footer.empty()) text += "\n" + wrapped(verb.footer, 0) + "\n";
    return text;
  }
};

// Changes of one letter, or of two neighbours that stand the wrong way round.
size_t mistakes(std::string_view left, std::string_view right) {
  std::vector<size_t> before, row(right.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= left.size(); ++i) {
    const std::vector<size_t> two_before = std::exchange(before, row);
    row[0] = i;
    for (size_t j = 1; j <= right.size(); ++j) {
      row[j] =
          std::min({before[j - 1] + (left[i - 1] != right[j - 1]), before[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
        row[j] = std::min(row[j], two_before[j - 2] + 1);
    }
  }
  return row.back();
}

std::string no_such(const char* what, const std::string& word, const std::string& where,
                    const std::vector<std::string>& candidates) {
  const auto meant = nearest(word, candidates);
  return meant ? fmt::format("there is no {} {}: did you mean `{} {}`?", what, word, where, *meant)
               : fmt::format("there is no {} {}: see `{} --help`", what, word, where);
}

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_formatter() {
  return std::make_shared<Formatter>();
}

std::string wrapped(std::string_view text, size_t indent, size_t width) {
  const std::string margin = "\n" + std::string(indent, ' ');
  std::string out;
  size_t column = indent;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(" \n"), text.size());
    if (column > indent && column + 1 + end > width) {
      out += margin;
      column = indent;
    }
    if (column > indent) out += " ", column++;
    out += text.substr(0, end);
    column += end;
    if (end < text.size() && text[end] == '\n') {
      out += margin;
      column = indent;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
  if (candidates.empty()) return std::nullopt;
  const auto begun = [word](const std::string& each) { return each.starts_with(word); };
  if (std::ranges::count_if(candidates, begun) == 1)
    return *std::ranges::find_if(candidates, begun);
  const auto distance = [word](const std::string& each) { return mistakes(word, each); };
  const std::string& best = *std::ranges::min_element(candidates, {}, distance);
  // A third of the letters may be wrong.
  if (distance(best) > std::max<size_t>(1, word.size() / 3)) return std::nullopt;
  return best;
}

std::string what_is_wrong(const Outline& root, const std::vector<std::string>& line,
                          const std::string& said) {
  const Outline* verb = &root;
  bool value_comes = false;
  for (const std::string& word : line) {
    if (std::exchange(value_comes, false)) continue;
    if (word == "--") break;
    if (word.starts_with("--")) {
      const std::string flag = word.substr(0, word.find('='));
      const OutlineOption* option = verb->option(flag);
      if (option == nullptr) return no_such("option", flag, verb->name, verb->flags());
      value_comes = word == flag && option->takes != Takes::Nothing;
    } else if (!word.starts_with("-")) {
      if (verb->verbs.empty()) break;
      const auto names = verb->verb_names();
      const auto found = std::ranges::find(names, word);
      if (found == names.end()) return no_such("verb", word, verb->name, names);
      verb = &verb->verbs[static_cast<size_t>(found - names.begin())];
    }
  }
  if (!verb->verbs.empty())
    return fmt::format("which verb? One of {}: see `{} --help`",
                       fmt::join(verb->verb_names(), ", "), verb->name);
  return fmt::format("{} (see `{} --help`)", said, verb->name);
}

}  // namespace spillway::tools
