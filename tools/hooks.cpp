// SPDX-License-Identifier: Apache-2.0
// spillway hooks: the interposer's own table, read as data.
#include <fmt/format.h>
#include <fnmatch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>

#include "interpose/hooks.h"
#include "tools/command.h"
#include "tools/json.h"

namespace spillway::tools {
namespace {

struct Decision {
  std::string_view name;
  std::string_view doc;
};
// In the order of HookKind.
constexpr auto kDecisions = std::to_array<Decision>({
    {"hook", "served or observed"},
    {"pass", "goes straight to the driver"},
    {"pin", "the ranges it names stop moving"},
    {"refuse", "answered with an error for a range of ours, by the driver for all else"},
});

bool as_json = false;
std::vector<std::string> decisions;
std::vector<std::string> patterns;

const Decision& decision_of(const HookInfo& row) {
  return kDecisions[static_cast<size_t>(row.kind)];
}

bool wanted(const HookInfo& row) {
  const auto matches = [&row](const std::string& pattern) {
    return fnmatch(pattern.c_str(), row.symbol.data(), 0) == 0;
  };
  return (decisions.empty() ||
          std::ranges::find(decisions, decision_of(row).name) != decisions.end()) &&
         (patterns.empty() || std::ranges::any_of(patterns, matches));
}

std::string reason_of(const HookInfo& row) {
  return row.answer.empty() ? std::string(row.why) : fmt::format("{}: {}", row.answer, row.why);
}

void print_json(const std::vector<const HookInfo*>& rows) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const HookInfo* row : rows) {
    out.push_back(
        {{"symbol", row->symbol}, {"decision", decision_of(*row).name}, {"reason", row->why}});
    if (!row->answer.empty()) out.back()["answer"] = row->answer;
  }
  fmt::print("{}\n", text_of(out));
}

void print_text(const std::vector<const HookInfo*>& rows) {
  size_t width = 0;
  std::array<size_t, kDecisions.size()> counts{};
  for (const HookInfo* row : rows) {
    width = std::max(width, row->symbol.size());
    ++counts[static_cast<size_t>(row->kind)];
  }
  for (const HookInfo* row : rows) {
    fmt::print("{:<{}}  {:<6}  {}\n", row->symbol, width, decision_of(*row).name, reason_of(*row));
  }
  fmt::print("\n{} of {} functions\n", rows.size(), kHooks.size());
  for (size_t i = 0; i < kDecisions.size(); ++i) {
    fmt::print("{:>5} {:<6}  {}\n", counts[i], kDecisions[i].name, kDecisions[i].doc);
  }
}

}  // namespace

void declare_hooks(CLI::App& app) {
  std::vector<std::string> names;
  for (const Decision& row : kDecisions) names.emplace_back(row.name);
  app.add_flag("--json", as_json, "the table as JSON");
  app.add_option("-d,--decision", decisions, "only rows with this decision")
      ->check(CLI::IsMember(names))
      ->allow_extra_args(false);
  app.add_option("PATTERN", patterns, "only functions of this name; * and ? are wildcards");
}

int show_hooks() {
  std::vector<const HookInfo*> rows;
  for (const HookInfo& row : kHooks) {
    if (wanted(row)) rows.push_back(&row);
  }
  std::ranges::sort(rows, {}, [](const HookInfo* row) { return row->symbol; });
  if (rows.empty() && !as_json) {
    complain("no function of the table matches: try `spillway hooks 'cuMem*'`");
    return 1;
  }
  as_json ? print_json(rows) : print_text(rows);
  return 0;
}

}  // namespace spillway::tools
