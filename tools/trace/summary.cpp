// SPDX-License-Identifier: Apache-2.0
// spillway trace summary: totals, causes, and the ranges that moved most.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "tools/json.h"
#include "tools/trace/trace.h"

namespace spillway::tools {
namespace {

std::vector<std::string> paths;
bool as_json = false;
size_t top = 5;

auto most_moved(const History& history) {
  return dearest(history.ranges, top,
                 [](const Life& life) { return life.moved_out + life.moved_in; });
}

void print_direction(const char* what, const Direction& direction) {
  std::string causes;
  for (size_t cause = 0; cause < kCauses; ++cause)
    if (const uint64_t bytes = direction.by_cause[cause])
      causes += fmt::format("{}{} {}", causes.empty() ? "" : ", ", with_unit(bytes, "B"),
                            cause_name(cause));
  fmt::print("  {:9} {:>8} moves  {:>10}  {}\n", what, direction.moves,
             with_unit(direction.bytes, "B"), causes);
}

void print_text(const std::string& path, const History& history) {
  fmt::print("{}\n", title_of(path, history));
  fmt::print("  {:9} {}; device budget {}, host {}\n", "time", with_unit(history.duration(), "ns"),
             with_unit(history.budget, "B"), with_unit(history.host_budget, "B"));
  fmt::print("  {:9} {:>8} made   {:>10} at the peak; {} freed\n", "memory", history.allocations,
             with_unit(history.peak, "B"), history.frees);
  fmt::print("  {:9} {:>8}\n", "launches", history.launches);
  print_direction("out", history.out);
  print_direction("in", history.in);
  for (size_t kind = 0; kind < kStallKinds; ++kind)
    if (const Cost& cost = history.stalls[kind]; cost.stalls)
      fmt::print("  {:9} {:>8} times  {:>10}  waiting for {}\n", "stalled", cost.stalls,
                 with_unit(cost.ns, "ns"), stall_name(kind));
  const auto ranges = most_moved(history);
  if (!ranges.empty()) fmt::print("  moved most:\n");
  for (const auto* entry : ranges) {
    const auto& [id, life] = *entry;
    fmt::print("    range {:<6} {:>10}, {} in {} moves, used by {} launches\n", id,
               with_unit(life.bytes, "B"), with_unit(life.moved_out + life.moved_in, "B"),
               life.moves, life.launches);
  }
}

nlohmann::ordered_json json_of(const Direction& direction) {
  nlohmann::ordered_json causes = nlohmann::ordered_json::object();
  for (size_t cause = 0; cause < kCauses; ++cause)
    if (direction.by_cause[cause])
      causes[std::string(cause_name(cause))] = direction.by_cause[cause];
  return {{"moves", direction.moves}, {"bytes", direction.bytes}, {"bytes_by_cause", causes}};
}

nlohmann::ordered_json json_of(const std::string& path, const History& history) {
  nlohmann::ordered_json stalls = nlohmann::ordered_json::object(),
                         ranges = nlohmann::ordered_json::array();
  for (size_t kind = 0; kind < kStallKinds; ++kind)
    if (const Cost& cost = history.stalls[kind]; cost.stalls)
      stalls[std::string(stall_name(kind))] = {{"count", cost.stalls}, {"ns", cost.ns}};
  for (const auto* entry : most_moved(history)) {
    const auto& [id, life] = *entry;
    ranges.push_back({{"range", id},
                      {"bytes", life.bytes},
                      {"moved_bytes", life.moved_out + life.moved_in},
                      {"moves", life.moves},
                      {"launches", life.launches}});
  }
  return {{"file", path},
          {"pid", history.pid},
          {"program", history.program},
          {"policy", history.policy},
          {"ns", history.duration()},
          {"budget", history.budget},
          {"host_budget", history.host_budget},
          {"allocations", history.allocations},
          {"frees", history.frees},
          {"peak_bytes", history.peak},
          {"launches", history.launches},
          {"out", json_of(history.out)},
          {"in", json_of(history.in)},
          {"stalls", stalls},
          {"moved_most", ranges}};
}

}  // namespace

void declare_summary(CLI::App& app) {
  take_traces(app, &paths);
  app.add_flag("--json", as_json, "as JSON; times in ns, sizes in bytes");
  app.add_option("--top", top, "how many ranges")->capture_default_str();
}

int summarise_trace() {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const std::string& path : paths) {
    const History history = read_history(path);
    if (as_json)
      all.push_back(json_of(path, history));
    else
      print_text(path, history);
  }
  if (as_json) fmt::print("{}\n", text_of(all));
  return 0;
}

}  // namespace spillway::tools
