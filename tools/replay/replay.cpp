// SPDX-License-Identifier: Apache-2.0
// spillway replay: a recorded job, or one that is written down, under other budgets, policies and
// links, in a model, and how far each is from what is possible.
#include "policy/replay.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <optional>

#include "policy/bounds.h"
#include "policy/cycle.h"
#include "policy/verdict.h"
#include "tools/command.h"
#include "tools/json.h"
#include "tools/replay/input.h"
#include "tools/trace/trace.h"

namespace spillway::tools {
namespace {

using policy::Bounds;
using policy::Cycle;
using policy::Workload;

std::string path, budgets = "1.25x,1.5x,2x,3x", policies = "lru-on-demand,all", link = "h200-pcie5",
                  piece = "64MiB";
bool as_json = false, as_csv = false;

constexpr std::string_view kOnDemand = "lru-on-demand";

struct Row {
  Budget budget;
  std::string policy;
  bool done = false;
  policy::Replayed::Lap lap;  // the median of the last third
  std::optional<Bounds> bounds;
  double launches_per_second = 0;

  double over(uint64_t ns) const { return lap.ns / static_cast<double>(std::max<uint64_t>(ns, 1)); }
};

std::vector<std::string> chosen_policies() {
  std::vector<std::string> names;
  for (const std::string& name : split(policies)) {
    if (name == "all") {
      for (const policy::PolicyEntry& entry : policy::policies()) names.emplace_back(entry.name);
    } else if (name == kOnDemand || policy::find_policy(name)) {
      names.push_back(name);
    } else {
      std::string known{kOnDemand};
      for (const policy::PolicyEntry& entry : policy::policies())
        known += ", " + std::string(entry.name);
      throw std::runtime_error(fmt::format("--policy {}: not one of {} or all", name, known));
    }
  }
  return names;
}

// The last lap that repeats the one before it; empty where none does.
Cycle steady_cycle(const Workload& workload) {
  size_t laps = 0;
  for (const policy::Event& event : workload.events)
    laps += event.kind == policy::Event::Kind::Iteration;
  for (size_t lap = laps; lap-- > 1;)
    if (Cycle cycle = policy::cycle_of(workload, lap); !cycle.ns.empty()) return cycle;
  return {};
}

Row run(const Workload& workload, const Budget& budget, const std::string& name,
        const policy::Link& over, uint64_t piece_bytes) {
  policy::Machine machine;
  machine.link = over;
  machine.capacity = budget.bytes;
  machine.piece_bytes = piece_bytes;
  machine.on_demand = name == kOnDemand;
  const auto made = policy::find_policy(machine.on_demand ? "lru" : name)->make();
  const auto began = std::chrono::steady_clock::now();
  policy::Replayed replayed = policy::replay(workload, *made, machine);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  Row row{budget, name, replayed.done, {}, {}, 0};
  size_t launches = 0;
  for (const policy::Event& event : workload.events)
    launches += event.kind == policy::Event::Kind::Kernel;
  row.launches_per_second = static_cast<double>(launches) / std::max(took.count(), 1e-9);
  auto& laps = replayed.laps;
  if (laps.empty()) {
    row.lap.ns = replayed.ns;
    return row;
  }
  laps.erase(laps.begin(), laps.end() - static_cast<std::ptrdiff_t>((laps.size() + 2) / 3));
  std::ranges::sort(laps, {}, &policy::Replayed::Lap::ns);
  row.lap = laps[laps.size() / 2];
  return row;
}

nlohmann::ordered_json json_of(const Row& row) {
  nlohmann::ordered_json json{
      {"budget", row.budget.bytes}, {"policy", row.policy}, {"done", row.done}};
  if (row.done) {
    json.update({{"lap_ns", row.lap.ns},
                 {"in_bytes", row.lap.in_bytes},
                 {"out_bytes", row.lap.out_bytes},
                 {"data_ns", row.lap.data_ns},
                 {"room_ns", row.lap.room_ns},
                 {"launches_per_second", row.launches_per_second}});
    if (row.bounds)
      json.update({{"lb0_ns", row.bounds->lb0_ns},
                   {"lb1_ns", row.bounds->lb1_ns},
                   {"lb2_ns", row.bounds->lb2_ns},
                   {"least_in_bytes", row.bounds->in_bytes},
                   {"least_out_bytes", row.bounds->out_bytes}});
  }
  return json;
}

void print_csv(const std::vector<Row>& rows) {
  fmt::print("budget,policy,lap_ns,lb0_ns,lb2_ns,in_bytes,out_bytes,data_ns,room_ns\n");
  for (const Row& row : rows)
    if (row.done)
      fmt::print("{},{},{:.0f},{},{},{},{},{:.0f},{:.0f}\n", row.budget.bytes, row.policy,
                 row.lap.ns, row.bounds ? std::to_string(row.bounds->lb0_ns) : "",
                 row.bounds ? std::to_string(row.bounds->lb2_ns) : "", row.lap.in_bytes,
                 row.lap.out_bytes, row.lap.data_ns, row.lap.room_ns);
}

void print_rows(const std::vector<Row>& rows) {
  fmt::print("{:>8} {:>10}  {:<14} {:>10} {:>8} {:>7} {:>10} {:>10} {:>10} {:>10}\n", "budget", "",
             "policy", "iteration", "/memory", "/bound", "in", "out", "for data", "for room");
  std::string last;
  for (const Row& row : rows) {
    const bool again = row.budget.text == last;
    last = row.budget.text;
    fmt::print("{:>8} {:>10}  {:<14} ", again ? "" : row.budget.text,
               again ? "" : with_unit(row.budget.bytes, "B"), row.policy);
    if (!row.done) {
      fmt::print("one launch uses more than that\n");
      continue;
    }
    const auto ns = [](double value) { return with_unit(static_cast<uint64_t>(value), "ns"); };
    fmt::print("{:>10} {:>8} {:>7} {:>10} {:>10} {:>10} {:>10}\n", ns(row.lap.ns),
               row.bounds ? fmt::format("{:.2f}", row.over(row.bounds->lb0_ns)) : "-",
               row.bounds ? fmt::format("{:.2f}", row.over(row.bounds->lb2_ns)) : "-",
               with_unit(row.lap.in_bytes, "B"), with_unit(row.lap.out_bytes, "B"),
               ns(row.lap.data_ns), ns(row.lap.room_ns));
  }
}

}  // namespace

void declare_replay(CLI::App& app) {
  app.add_option("trace", path, "a recorded trace, or a workload as text")
      ->required()
      ->type_name("FILE");
  app.add_option("--budget", budgets,
                 "device memory: sizes (12GiB), shares of the job's peak (50%), or how many times "
                 "smaller than it (1.5x), with commas between them")
      ->type_name("BUDGETS")
      ->capture_default_str();
  app.add_option("--policy", policies,
                 "which, with commas between them; all: those of SPILLWAY_POLICY; lru-on-demand: "
                 "nothing moves before a kernel waits for it")
      ->type_name("POLICIES")
      ->capture_default_str();
  app.add_option("--link", link,
                 "of which machine (h200-pcie5, gh200-c2c, v100-nvlink2), or rates in GB/s as "
                 "IN,OUT or IN,OUT,BOTH")
      ->type_name("LINK")
      ->capture_default_str();
  app.add_option("--piece", piece, "what moves as a whole, at most")
      ->type_name("SIZE")
      ->capture_default_str();
  app.add_flag("--csv", as_csv, "as CSV; times in ns, sizes in bytes");
  app.add_flag("--json", as_json, "as JSON; times in ns, sizes in bytes");
  app.footer(
      "iteration: of the steady state. /memory: to the kernels alone, as with enough memory. "
      "/bound: "
      "to the\nleast that any policy can reach. for data, for room: how long the GPU stood still.\n"
      "Of a trace, kernels last from one launch to the next; a text says how long they run\n"
      "(policy/WORKLOADS.md).");
}

int replay_trace() {
  const Workload workload = read_workload(path);
  const uint64_t peak = peak_bytes(workload);
  if (!peak) throw std::runtime_error(fmt::format("{}: nothing is allocated in it", path));
  const policy::Link over = parse_link(link);
  const auto sizes = parse_budgets(budgets, peak);
  const auto piece_bytes = parse_budgets(piece, peak).front().bytes;
  const auto names = chosen_policies();
  const Cycle cycle = steady_cycle(workload);
  std::vector<Row> rows;
  const bool shows = isatty(2) && !as_json && !as_csv;
  for (const Budget& budget : sizes) {
    std::optional<Bounds> bounds;
    if (!cycle.ns.empty()) bounds = policy::bounds_of(cycle, budget.bytes, over);
    for (const std::string& name : names) {
      if (shows)
        fmt::print(stderr, "\r\x1b[K{} of {}: {}, {}", rows.size() + 1, sizes.size() * names.size(),
                   budget.text, name);
      rows.push_back(run(workload, budget, name, over, piece_bytes));
      rows.back().bounds = bounds;
    }
  }
  if (shows) fmt::print(stderr, "\r\x1b[K");
  // Of the last budget, the last policy: lookahead, unless others were asked for.
  const Row& last = rows.back();
  const policy::Verdict verdict =
      policy::verdict_of(cycle, last.budget.bytes, over, last.done ? last.lap.ns : 0);
  const std::string sentence = cycle.ns.empty()
                                   ? "no iteration repeats the one before it, so there is no bound"
                                   : policy::text_of(verdict, last.policy + " takes");
  if (as_json) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const Row& row : rows) all.push_back(json_of(row));
    fmt::print("{}\n", text_of(nlohmann::ordered_json{{"file", path},
                                                      {"peak", peak},
                                                      {"kernels", cycle.kernels()},
                                                      {"rows", all},
                                                      {"verdict", sentence}}));
    return 0;
  }
  if (as_csv) {
    print_csv(rows);
    return 0;
  }
  fmt::print(
      "{}: {} at the peak, {} launches an iteration, link {:.0f} GB/s in, {:.0f} out, {:.0f} "
      "both\n",
      harmless(path), with_unit(peak, "B"), cycle.kernels(), over.in, over.out, over.both);
  print_rows(rows);
  fmt::print("at {}: {}\n", last.budget.text, sentence);
  return 0;
}

}  // namespace spillway::tools
