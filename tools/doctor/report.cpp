// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "runtime/bytes.h"
#include "tools/help.h"
#include "tools/json.h"

namespace spillway::tools {
namespace {

using Json = nlohmann::ordered_json;

// In the order of Health.
constexpr auto kNames = std::to_array<const char*>({"ok", "warn", "fail"});
constexpr size_t kTextColumn = 22;
constexpr size_t kWidth = 100;

std::string ready(const Rows& rows) {
  uint64_t budget = 0;
  size_t devices = 0, in_place = 0;
  std::string link;
  for (const Row& row : rows) {
    if (row.topic == "device") {
      devices++;
      budget += row.facts.value("budget_bytes", uint64_t{0});
    }
    in_place += row.topic == "in place" && row.facts.value("used", false);
    if (row.topic == "link" && link.empty() && row.facts.contains("in_gb_s"))
      link = fmt::format(", link {:.1f} GB/s in, {:.1f} out", row.facts.value("in_gb_s", 0.0),
                         row.facts.value("out_gb_s", 0.0));
  }
  const Row* const host = find_row(rows, "memory");
  return fmt::format("{} device{}, budget {} and {} of host memory, {}{}", devices,
                     devices == 1 ? "" : "s", format_bytes(budget),
                     format_bytes(host ? host->facts.value("host_budget_bytes", uint64_t{0}) : 0),
                     in_place == devices ? "in place"
                     : in_place          ? "in place on some"
                                         : "by copies",
                     link);
}

}  // namespace

std::string Row::name() const {
  return device < 0 ? topic : fmt::format("{} {}", topic, device);
}

Json json_of(const Row& row) {
  Json out = {{"topic", row.topic}};
  if (row.device >= 0) out["device"] = row.device;
  out["health"] = kNames[static_cast<size_t>(row.health)];
  out["text"] = row.text;
  if (!row.advice.empty()) out["advice"] = row.advice;
  out["facts"] = row.facts;
  return out;
}

Row row_from(const Json& json) {
  Row row;
  row.topic = json.at("topic");
  row.device = json.value("device", -1);
  const auto health = std::ranges::find(kNames, json.at("health").get<std::string>());
  row.health = static_cast<Health>(health - kNames.begin());
  row.text = json.at("text");
  row.advice = json.value("advice", "");
  row.facts = json.at("facts");
  return row;
}

const Row* find_row(const Rows& rows, std::string_view topic, int device) {
  for (const Row& row : rows)
    if (row.topic == topic && row.device == device) return &row;
  return nullptr;
}

size_t count(const Rows& rows, Health health) {
  return static_cast<size_t>(std::ranges::count(rows, health, &Row::health));
}

std::string verdict(const Rows& rows) {
  const auto failed = std::ranges::find(rows, Health::Fail, &Row::health);
  if (failed != rows.end())
    return fmt::format("doctor: not ready: {}: {}", failed->name(), failed->text);
  const size_t warnings = count(rows, Health::Warn);
  const std::string how =
      warnings ? fmt::format("ready, with {} warning{}", warnings, warnings == 1 ? "" : "s")
               : "ready";
  return fmt::format("doctor: {}: {}", how, ready(rows));
}

void print_text(const Rows& rows) {
  for (const Row& row : rows) {
    fmt::print("{:<5} {:<15} {}\n", kNames[static_cast<size_t>(row.health)], row.name(),
               wrapped(row.text, kTextColumn, kWidth));
    if (!row.advice.empty())
      fmt::print("{:{}}-> {}\n", "", kTextColumn, wrapped(row.advice, kTextColumn + 3, kWidth));
  }
  fmt::print("{}\n", verdict(rows));
}

void print_json(const Rows& rows) {
  Json list = Json::array();
  for (const Row& row : rows) list.push_back(json_of(row));
  fmt::print("{}\n", text_of(Json{{"ready", count(rows, Health::Fail) == 0},
                                  {"warnings", count(rows, Health::Warn)},
                                  {"verdict", verdict(rows)},
                                  {"rows", list}}));
}

}  // namespace spillway::tools
