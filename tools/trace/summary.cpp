// SPDX-License-Identifier: Apache-2.0
// spillway trace summary: totals, causes, and the ranges that moved most.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <map>

#include "tools/json.h"
#include "tools/trace/trace.h"

namespace spillway::tools {
namespace {

std::vector<std::string> paths;
bool as_json = false;
size_t top = 5;

struct Direction {
  uint64_t count = 0, bytes = 0;
  std::map<std::string, uint64_t> bytes_by_cause;
};

struct RangeTotals {
  uint64_t bytes = 0, moved = 0, moves = 0, launches = 0;
};

struct Totals {
  std::string program, policy;
  uint64_t pid = 0, first = ~uint64_t{0}, last = 0;
  uint64_t allocations = 0, frees = 0, launches = 0, live = 0, peak = 0;
  uint64_t budget = 0, host = 0;
  Direction out, in;
  std::map<std::string, std::pair<uint64_t, uint64_t>> stalls;  // what for: count, ns
  std::map<uint64_t, RangeTotals> ranges;
};

void count_move(Totals& totals, Direction& direction, const trace::Moved& move) {
  direction.count++;
  direction.bytes += move.bytes;
  direction.bytes_by_cause[std::string(name(move.cause))] += move.bytes;
  RangeTotals& range = totals.ranges[move.range];
  range.moved += move.bytes;
  range.moves++;
}

void add(Totals& totals, const Record& record) {
  totals.first = std::min(totals.first, record.time);
  totals.last = std::max(totals.last, record.time);
  if (const auto made = TraceReader::as<trace::Allocated>(record)) {
    totals.allocations++;
    totals.live += made->bytes;
    totals.peak = std::max(totals.peak, totals.live);
    totals.ranges[made->range].bytes = made->bytes;
  } else if (const auto freed = TraceReader::as<trace::Freed>(record)) {
    totals.frees++;
    const auto range = totals.ranges.find(freed->range);
    // In the older half of a trace, which is gone, if it is not there.
    if (range != totals.ranges.end()) totals.live -= std::min(totals.live, range->second.bytes);
  } else if (const auto launch = TraceReader::as<trace::Launched>(record)) {
    totals.launches++;
    for (const uint64_t range : launch->ranges) totals.ranges[range].launches++;
  } else if (const auto out = TraceReader::as<trace::Evicted>(record)) {
    count_move(totals, totals.out, *out);
  } else if (const auto in = TraceReader::as<trace::Fetched>(record)) {
    count_move(totals, totals.in, *in);
  } else if (const auto stall = TraceReader::as<trace::Stalled>(record)) {
    auto& [count, ns] = totals.stalls[value_text(record, 0)];
    count++;
    ns += stall->took;
  } else if (const auto budget = TraceReader::as<trace::Budget>(record)) {
    totals.budget = budget->bytes;
    totals.host = budget->host;
  }
}

Totals totals_of(const std::string& path) {
  Totals totals;
  read_trace(path, [&](const TraceReader& reader, const Record& record) {
    if (totals.program.empty()) {
      const nlohmann::json& head = reader.head();
      totals.program = head.value("program", "?");
      totals.policy = head.value("policy", "?");
      totals.pid = head.value("pid", uint64_t{0});
    }
    add(totals, record);
  });
  return totals;
}

uint64_t duration(const Totals& totals) {
  return totals.last > totals.first ? totals.last - totals.first : 0;
}

std::vector<std::pair<uint64_t, RangeTotals>> most_moved(const Totals& totals) {
  std::vector<std::pair<uint64_t, RangeTotals>> ranges(totals.ranges.begin(), totals.ranges.end());
  const size_t shown = std::min(top, ranges.size());
  std::partial_sort(ranges.begin(), ranges.begin() + static_cast<std::ptrdiff_t>(shown),
                    ranges.end(),
                    [](const auto& a, const auto& b) { return a.second.moved > b.second.moved; });
  ranges.resize(shown);
  std::erase_if(ranges, [](const auto& range) { return range.second.moved == 0; });
  return ranges;
}

void print_direction(const char* what, const Direction& direction) {
  std::string causes;
  for (const auto& [cause, bytes] : direction.bytes_by_cause)
    causes += fmt::format("{}{} {}", causes.empty() ? "" : ", ", with_unit(bytes, "B"), cause);
  fmt::print("  {:9} {:>8} moves  {:>10}  {}\n", what, direction.count,
             with_unit(direction.bytes, "B"), causes);
}

void print_text(const std::string& path, const Totals& totals) {
  fmt::print("{}: process {}, {}, policy {}\n", path, totals.pid,
             std::filesystem::path(totals.program).filename().string(), totals.policy);
  fmt::print("  {:9} {}; device budget {}, host {}\n", "time", with_unit(duration(totals), "ns"),
             with_unit(totals.budget, "B"), with_unit(totals.host, "B"));
  fmt::print("  {:9} {:>8} made   {:>10} at the peak; {} freed\n", "memory", totals.allocations,
             with_unit(totals.peak, "B"), totals.frees);
  fmt::print("  {:9} {:>8}\n", "launches", totals.launches);
  print_direction("out", totals.out);
  print_direction("in", totals.in);
  for (const auto& [what, stall] : totals.stalls)
    fmt::print("  {:9} {:>8} times  {:>10}  waiting for {}\n", "stalled", stall.first,
               with_unit(stall.second, "ns"), what);
  const auto ranges = most_moved(totals);
  if (!ranges.empty()) fmt::print("  moved most:\n");
  for (const auto& [id, range] : ranges)
    fmt::print("    range {:<6} {:>10}, {} in {} moves, used by {} launches\n", id,
               with_unit(range.bytes, "B"), with_unit(range.moved, "B"), range.moves,
               range.launches);
}

nlohmann::ordered_json json_of(const Direction& direction) {
  return {{"moves", direction.count},
          {"bytes", direction.bytes},
          {"bytes_by_cause", direction.bytes_by_cause}};
}

nlohmann::ordered_json json_of(const std::string& path, const Totals& totals) {
  nlohmann::ordered_json stalls = nlohmann::ordered_json::object(),
                         ranges = nlohmann::ordered_json::array();
  for (const auto& [what, stall] : totals.stalls)
    stalls[what] = {{"count", stall.first}, {"ns", stall.second}};
  for (const auto& [id, range] : most_moved(totals))
    ranges.push_back({{"range", id},
                      {"bytes", range.bytes},
                      {"moved_bytes", range.moved},
                      {"moves", range.moves},
                      {"launches", range.launches}});
  return {{"file", path},
          {"pid", totals.pid},
          {"program", totals.program},
          {"policy", totals.policy},
          {"ns", duration(totals)},
          {"budget", totals.budget},
          {"host_budget", totals.host},
          {"allocations", totals.allocations},
          {"frees", totals.frees},
          {"peak_bytes", totals.peak},
          {"launches", totals.launches},
          {"out", json_of(totals.out)},
          {"in", json_of(totals.in)},
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
    const Totals totals = totals_of(path);
    if (as_json)
      all.push_back(json_of(path, totals));
    else
      print_text(path, totals);
  }
  if (as_json) fmt::print("{}\n", text_of(all));
  return 0;
}

}  // namespace spillway::tools
