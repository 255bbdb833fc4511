// SPDX-License-Identifier: Apache-2.0
// spillway trace diff: two runs side by side, the kernels and ranges whose waiting changed most,
// and which run is better.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>

#include "tools/json.h"
#include "tools/trace/trace.h"

namespace spillway::tools {
namespace {

std::string path_a, path_b;
bool as_json = false;
size_t top = 5;

// Runs of the same program differ by this much for no reason of ours.
constexpr double kNoise = 0.02;

struct Total {
  std::string name;
  const char* unit;
  uint64_t a, b;
};

std::vector<Total> totals_of(const History& a, const History& b) {
  std::vector<Total> totals = {{"time", "ns", a.duration(), b.duration()},
                               {"waited", "ns", a.waited.ns, b.waited.ns}};
  for (size_t kind = 0; kind < kStallKinds; ++kind)
    if (const Cost& of_a = a.stalls[kind], &of_b = b.stalls[kind]; of_a.stalls || of_b.stalls) {
      totals.push_back({fmt::format("  for {}", stall_name(kind)), "ns", of_a.ns, of_b.ns});
      totals.push_back({"    times", "", of_a.stalls, of_b.stalls});
    }
  const auto way = [&](const char* name, const Direction& of_a, const Direction& of_b) {
    totals.push_back({name, "B", of_a.bytes, of_b.bytes});
    for (size_t cause = 0; cause < kCauses; ++cause)
      if (of_a.by_cause[cause] || of_b.by_cause[cause])
        totals.push_back({fmt::format("  {}", cause_name(cause)), "B", of_a.by_cause[cause],
                          of_b.by_cause[cause]});
    totals.push_back({"  moves", "", of_a.moves, of_b.moves});
  };
  way("out", a.out, b.out);
  way("in", a.in, b.in);
  totals.insert(totals.end(), {{"peak", "B", a.peak, b.peak},
                               {"budget", "B", a.budget, b.budget},
                               {"allocations", "", a.allocations, b.allocations},
                               {"launches", "", a.launches, b.launches}});
  return totals;
}

// "+1.5 GiB", or nothing when they are the same.
std::string difference(uint64_t a, uint64_t b, const char* unit) {
  if (a == b) return "";
  return (b > a ? "+" : "-") + with_unit(b > a ? b - a : a - b, unit);
}

std::string ratio(uint64_t a, uint64_t b) {
  return a ? fmt::format("{:.2f}", static_cast<double>(b) / static_cast<double>(a)) : "";
}

struct Changed {
  std::string what;
  uint64_t a, b;  // ns
  uint64_t by() const { return a > b ? a - b : b - a; }
};

uint64_t waited_in(const auto& map, const auto& key) {
  const auto found = map.find(key);
  return found == map.end() ? 0 : found->second.waited.ns;
}

// The entries of both maps whose waiting differs most. `name`: of a key, as text.
template <class Map, class Name>
std::vector<Changed> changed_most(const Map& a, const Map& b, Name name) {
  std::vector<std::pair<Changed, typename Map::key_type>> all;
  const auto take = [&](const auto& key) {
    Changed changed{"", waited_in(a, key), waited_in(b, key)};
    if (changed.by()) all.emplace_back(std::move(changed), key);
  };
  for (const auto& each : a) take(each.first);
  for (const auto& each : b)
    if (!a.contains(each.first)) take(each.first);
  const size_t shown = std::min(top, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shown), all.end(),
                    [](const auto& left, const auto& right) {
                      return left.first.by() != right.first.by()
                                 ? left.first.by() > right.first.by()
                                 : left.second < right.second;
                    });
  std::vector<Changed> most;
  for (size_t i = 0; i < shown; ++i) {
    most.push_back(std::move(all[i].first));
    most.back().what = name(all[i].second);
  }
  return most;
}

// "", "A" or "B": which run is better; and why, as a sentence.
std::pair<std::string, std::string> verdict(const History& a, const History& b) {
  struct Reason {
    const char* said;
    uint64_t a, b;
  };
  // The time decides; where it does not, what it might cost elsewhere.
  const Reason reasons[] = {{"takes", a.duration(), b.duration()},
                            {"waits", a.waited.ns, b.waited.ns},
                            {"moves", a.out.bytes + a.in.bytes, b.out.bytes + b.in.bytes}};
  const std::string note =
      a.launches == b.launches
          ? ""
          : fmt::format(" They did not do the same: {} launches and {}.", a.launches, b.launches);
  for (const Reason& reason : reasons) {
    const auto left = static_cast<double>(reason.a), right = static_cast<double>(reason.b);
    if (std::abs(left - right) <= kNoise * std::max(left, right)) continue;
    const char* const unit = &reason == &reasons[2] ? "B" : "ns";
    const bool b_wins = right < left;
    return {
        b_wins ? "B" : "A",
        fmt::format("{} is better: it {} {} instead of {} ({:.0f}% less).{}", b_wins ? "B" : "A",
                    reason.said, with_unit(std::min(reason.a, reason.b), unit),
                    with_unit(std::max(reason.a, reason.b), unit),
                    100 * (1 - std::min(left, right) / std::max(left, right)), note)};
  }
  return {"", fmt::format("Neither is better: time, waiting and moves differ by at most {:.0f}%.{}",
                          100 * kNoise, note)};
}

void print_changed(const char* title, const std::vector<Changed>& rows) {
  if (rows.empty()) return;
  fmt::print("{}\n", title);
  for (const Changed& row : rows)
    fmt::print("  {:>10} {:>10} {:>11} {:>6}  {}\n", with_unit(row.a, "ns"), with_unit(row.b, "ns"),
               difference(row.a, row.b, "ns"), ratio(row.a, row.b), row.what);
}

nlohmann::ordered_json json_of(const char* what, const std::vector<Changed>& rows) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Changed& row : rows)
    list.push_back({{what, row.what}, {"a_ns", row.a}, {"b_ns", row.b}});
  return list;
}

nlohmann::ordered_json json_of(const History& history, const std::string& path) {
  nlohmann::ordered_json causes[2], stalls = nlohmann::ordered_json::object();
  const Direction* const ways[] = {&history.out, &history.in};
  for (size_t way = 0; way < 2; ++way)
    for (size_t cause = 0; cause < kCauses; ++cause)
      if (const uint64_t bytes = ways[way]->by_cause[cause])
        causes[way][std::string(cause_name(cause))] = bytes;
  for (size_t kind = 0; kind < kStallKinds; ++kind)
    if (const Cost& cost = history.stalls[kind]; cost.stalls)
      stalls[std::string(stall_name(kind))] = {{"count", cost.stalls}, {"ns", cost.ns}};
  return {{"file", path},
          {"program", history.program},
          {"policy", history.policy},
          {"ns", history.duration()},
          {"waited_ns", history.waited.ns},
          {"stalls", stalls},
          {"out_bytes", history.out.bytes},
          {"out_by_cause", causes[0]},
          {"in_bytes", history.in.bytes},
          {"in_by_cause", causes[1]},
          {"peak_bytes", history.peak},
          {"budget", history.budget},
          {"allocations", history.allocations},
          {"launches", history.launches}};
}

}  // namespace

void declare_diff(CLI::App& app) {
  app.add_option("a", path_a, "a trace file")->required()->type_name("A");
  app.add_option("b", path_b, "the one to compare with it")->required()->type_name("B");
  app.add_flag("--json", as_json, "as JSON; times in ns, sizes in bytes");
  app.add_option("--top", top, "how many kernels and ranges")->capture_default_str();
  app.footer("Differences are B less A, ratios B to A. Ranges are compared by their numbers.");
}

int diff_traces() {
  const History a = read_history(path_a), b = read_history(path_b);
  const auto kernels = changed_most(a.kernels, b.kernels, [](const std::string& name) {
    return as_json ? name : readable(name);
  });
  const auto ranges =
      changed_most(a.ranges, b.ranges, [](uint64_t range) { return std::to_string(range); });
  const auto [better, why] = verdict(a, b);
  if (as_json) {
    fmt::print("{}\n", text_of({{"a", json_of(a, path_a)},
                                {"b", json_of(b, path_b)},
                                {"better", better.empty() ? nlohmann::ordered_json()
                                                          : nlohmann::ordered_json(better)},
                                {"verdict", why},
                                {"kernels", json_of("kernel", kernels)},
                                {"ranges", json_of("range", ranges)}}));
    return 0;
  }
  fmt::print("A  {}\nB  {}\n{}\n\n", title_of(path_a, a), title_of(path_b, b), why);
  fmt::print("{:14} {:>11} {:>11} {:>12} {:>6}\n", "", "A", "B", "difference", "ratio");
  for (const Total& total : totals_of(a, b))
    fmt::print("{:14} {:>11} {:>11} {:>12} {:>6}\n", total.name, with_unit(total.a, total.unit),
               with_unit(total.b, total.unit), difference(total.a, total.b, total.unit),
               ratio(total.a, total.b));
  print_changed("\nkernels whose waiting changed most: A, B, difference, ratio", kernels);
  print_changed("\nranges whose waiting changed most: A, B, difference, ratio", ranges);
  return 0;
}

}  // namespace spillway::tools
