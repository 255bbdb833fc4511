// SPDX-License-Identifier: Apache-2.0
// spillway replay: a recorded job, or one that is written down, under other budgets, policies and
// links, in a model, and how far each is from what is possible.
#include "policy/replay.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "policy/verdict.h"
#include "tools/command.h"
#include "tools/json.h"
#include "tools/replay/figures.h"
#include "tools/replay/input.h"
#include "tools/trace/trace.h"

namespace spillway::tools {
namespace {

using nlohmann::ordered_json;
using policy::Verdict;

std::string path, budgets = "1.25x,1.5x,2x,3x", policies = "lru-on-demand,all", link = "h200-pcie5",
                  piece = "64MiB";
size_t laps = 0;  // 0: as there are
bool as_json = false, as_csv = false;

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
      throw std::runtime_error(
          fmt::format("--policy {}: not one of {} or all", name.empty() ? "''" : name, known));
    }
  }
  return names;
}

// One line on a terminal, while a figure after the other is found.
class Progress {
 public:
  explicit Progress(size_t all) : all_(all), shown_(isatty(2)) {}
  Progress(const Progress&) = delete;
  ~Progress() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }
  void step(const std::string& budget, const std::string& policy) {
    ++done_;
    if (shown_) fmt::print(stderr, "\r\x1b[K{} of {}: {}, {}", done_, all_, budget, policy);
  }

 private:
  const size_t all_;
  const bool shown_;
  size_t done_ = 0;
};

std::vector<Figures> find_figures(const Job& job, const std::vector<Budget>& sizes,
                                  const std::vector<std::string>& names,
                                  const policy::Machine& machine) {
  std::vector<Figures> rows;
  Progress progress(sizes.size() * names.size());
  for (const Budget& budget : sizes) {
    std::optional<policy::Bounds> bounds;
    if (!job.steady.cycle.ns.empty())
      bounds = policy::bounds_of(job.steady.cycle, budget.bytes, machine.link);
    for (const std::string& name : names) {
      progress.step(budget.text, name);
      rows.push_back(replayed(job, budget, name, machine));
      rows.back().bounds = bounds;
    }
  }
  return rows;
}

ordered_json json_of(const Figures& row) {
  ordered_json json{{"budget", row.budget.bytes}, {"policy", row.policy}, {"done", row.done}};
  if (row.done)
    json.update({{"lap_ns", row.lap.ns},
                 {"in_bytes", row.lap.in_bytes},
                 {"out_bytes", row.lap.out_bytes},
                 {"data_ns", row.lap.data_ns},
                 {"room_ns", row.lap.room_ns},
                 {"launches_per_second", row.launches_per_second}});
  if (row.bounds) json["lb0_ns"] = row.bounds->lb0_ns;
  if (row.bounds && row.bounds->feasible)
    json.update({{"lb1_ns", row.bounds->lb1_ns},
                 {"lb2_ns", row.bounds->lb2_ns},
                 {"least_in_bytes", row.bounds->in_bytes},
                 {"least_out_bytes", row.bounds->out_bytes}});
  return json;
}

ordered_json json_of(const Verdict& verdict, const Figures& of, const std::string& sentence) {
  ordered_json json{{"budget", of.budget.bytes}, {"policy", of.policy}};
  if (of.bounds) {
    json["fault"] = name_of(verdict.fault);
    json["bound"] = of.bounds->feasible ? ordered_json(verdict.bound) : ordered_json();
    json["measured"] = of.done ? ordered_json(verdict.measured) : ordered_json();
    json.update({{"more_bytes", verdict.more_bytes}, {"with_more", verdict.with_more}});
  }
  json["text"] = sentence;
  return json;
}

// What is not known is empty.
void print_csv(const std::vector<Figures>& rows) {
  fmt::print("budget,policy,done,lap_ns,lb0_ns,lb2_ns,in_bytes,out_bytes,data_ns,room_ns\n");
  for (const Figures& row : rows) {
    fmt::print("{},{},{},", row.budget.bytes, row.policy, row.done);
    const std::string lb0 = row.bounds ? std::to_string(row.bounds->lb0_ns) : "";
    const std::string lb2 =
        row.bounds && row.bounds->feasible ? std::to_string(row.bounds->lb2_ns) : "";
    if (row.done)
      fmt::print("{:.0f},{},{},{},{},{:.0f},{:.0f}\n", row.lap.ns, lb0, lb2, row.lap.in_bytes,
                 row.lap.out_bytes, row.lap.data_ns, row.lap.room_ns);
    else
      fmt::print(",{},{},,,,\n", lb0, lb2);
  }
}

void print_rows(const std::vector<Figures>& rows) {
  fmt::print("{:>8} {:>10}  {:<14} {:>10} {:>8} {:>7} {:>10} {:>10} {:>10} {:>10}\n", "budget", "",
             "policy", "iteration", "/memory", "/bound", "in", "out", "for data", "for room");
  std::string last;
  for (const Figures& row : rows) {
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
  app.add_option("--laps", laps,
                 "how many iterations: the first of them, or where there are fewer, also the last "
                 "that repeated the one before it, again and again (default: as many as there are)")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000));
  auto* const csv = app.add_flag("--csv", as_csv, "as CSV; times in ns, sizes in bytes");
  app.add_flag("--json", as_json, "as JSON; times in ns, sizes in bytes")->excludes(csv);
  app.footer(
      "iteration: the median of the last third, of those that launch as much as the one that the "
      "bound is of; where nothing repeats, all is one. /memory: to the kernels alone, as with "
      "enough memory. /bound: to the least that any policy can reach. for data, for room: how long "
      "the GPU stood still. Of a trace, kernels last from one launch to the next; a text says how "
      "long they run (policy/WORKLOADS.md).");
}

int replay_trace() {
  const policy::Machine machine{.link = parse_link(link), .piece_bytes = parse_piece(piece)};
  const auto names = chosen_policies();
  policy::Workload workload = read_workload(path);
  const uint64_t peak = peak_bytes(workload);
  if (!peak) throw std::runtime_error(fmt::format("{}: nothing is allocated in it", path));
  const auto sizes = parse_budgets(budgets, peak);
  if (laps) workload = with_laps(workload, laps);
  check_pieces(workload, machine.piece_bytes);
  const Job job(std::move(workload));
  const auto rows = find_figures(job, sizes, names, machine);
  // Of the last budget, the last policy: lookahead, unless others were asked for.
  const Figures& last = rows.back();
  const Verdict verdict = policy::verdict_of(job.steady.cycle, last.budget.bytes, machine.link,
                                             last.done ? last.lap.ns : 0);
  const std::string sentence = last.bounds
                                   ? policy::text_of(verdict, last.policy + " takes")
                                   : "no iteration repeats the one before it, so there is no bound";
  if (as_csv) {
    print_csv(rows);
    return 0;
  }
  const policy::Link& over = machine.link;
  if (as_json) {
    ordered_json all = ordered_json::array();
    for (const Figures& row : rows) all.push_back(json_of(row));
    fmt::print("{}\n", text_of({{"file", path},
                                {"peak", peak},
                                {"laps", std::ranges::count(job.usual, true)},
                                {"kernels", job.steady.cycle.kernels()},
                                {"link", {{"in", over.in}, {"out", over.out}, {"both", over.both}}},
                                {"piece", machine.piece_bytes},
                                {"rows", all},
                                {"verdict", json_of(verdict, last, sentence)}}));
    return 0;
  }
  fmt::print(
      "{}: {} at the peak, {} launches an iteration, link {:.0f} GB/s in, {:.0f} out, {:.0f} "
      "both\n",
      harmless(path), with_unit(peak, "B"), job.steady.cycle.kernels(), over.in, over.out,
      over.both);
  print_rows(rows);
  fmt::print("at {}: {}\n", last.budget.text, sentence);
  return 0;
}

}  // namespace spillway::tools
