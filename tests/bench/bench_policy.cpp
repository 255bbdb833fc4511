// SPDX-License-Identifier: Apache-2.0
// Policies against what no policy can beat, in modelled time (policy/replay.h), on workloads of
// models in training (tests/workloads). Figures are of a lap in the steady state; LB2 is the lower
// bound of its time, and the least bytes are those that no policy can avoid (policy/bounds.h).
// Workloads without a steady state are shown apart: their whole time, against fetching on demand.
// The last line is of the library's default policy (policy_verdict.h).
#include <fmt/format.h>

#include <iostream>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "policy/workload_text.h"
#include "tests/bench/policy_case.h"
#include "tests/bench/policy_verdict.h"
#include "tests/support/arguments.h"

namespace {

namespace policy = spillway::policy;
using bench::CaseFigures;
using bench::PolicyCase;
using bench::PolicyFigures;
using nlohmann::json;

constexpr double kGB = 1e9, kMs = 1e6;

// --- what is measured ---

struct Wanted {
  std::vector<PolicyCase> cases;
  std::vector<std::string> policies;
  unsigned iterations = workloads::kIterations;
  int jobs = 2;
};

// Each case for itself, some at once; the answers come in the order of the cases.
class Measurements {
 public:
  explicit Measurements(const Wanted& wanted) : answers_(wanted.cases.size()) {
    for (int i = 0; i < wanted.jobs; ++i) {
      workers_.emplace_back([this, &wanted] {
        for (size_t next; (next = next_++) < answers_.size();) {
          try {
            answers_[next].set_value(
                bench::measure(wanted.cases[next], wanted.policies, wanted.iterations));
          } catch (...) {
            answers_[next].set_exception(std::current_exception());
          }
        }
      });
    }
  }
  ~Measurements() { next_ = answers_.size(); }  // nobody wants what has not been begun

  CaseFigures of(size_t which) { return answers_[which].get_future().get(); }

 private:
  std::vector<std::promise<CaseFigures>> answers_;
  std::atomic<size_t> next_{0};
  std::vector<std::jthread> workers_;
};

// --- what is said ---

void print_header() {
  fmt::print("{:<20} {:<11} {:>5}  {:<14} {:>9} {:>7} {:>8} {:>8} {:>7} {:>9} {:>9}\n", "workload",
             "link", "ratio", "policy", "ms/lap", "/LB2", "GB in", "GB out", "/least", "data ms",
             "room ms");
}

std::string head(const PolicyCase& which) {
  return fmt::format("{:<20} {:<11} {:>5}  ", which.workload->name, which.link.name, which.ratio);
}

void print_steady(const PolicyCase& which, const CaseFigures& figures) {
  const std::string start = head(which);
  const policy::Bounds& bounds = figures.bounds;
  const auto lb0 = static_cast<double>(bounds.lb0_ns);
  fmt::print(
      "{}{:<14} {:>9.2f} {:>7} {:>8.2f} {:>8.2f}  {} kernels, LB0 {:.2f} ms, LB2/LB0 {:.3f}\n",
      start, "(bound)", figures.lb2_ns() / kMs, "", static_cast<double>(bounds.in_bytes) / kGB,
      static_cast<double>(bounds.out_bytes) / kGB, figures.kernels, lb0 / kMs,
      figures.lb2_ns() / lb0);
  for (const PolicyFigures& each : figures.policies) {
    if (!each.done) {
      fmt::print("{}{:<14} did not fit\n", start, each.policy);
      continue;
    }
    const double least = figures.least_bytes();
    fmt::print("{}{:<14} {:>9.2f} {:>7.3f} {:>8.2f} {:>8.2f} {:>7} {:>9.2f} {:>9.2f}\n", start,
               each.policy, each.ns / kMs, each.ns / figures.lb2_ns(), each.in_bytes / kGB,
               each.out_bytes / kGB, least > 0 ? fmt::format("{:.3f}", each.bytes() / least) : "-",
               each.data_ns / kMs, each.room_ns / kMs);
  }
}

void print_whole(const PolicyCase& which, const CaseFigures& figures) {
  const PolicyFigures* on_demand = figures.of(bench::kOnDemand);
  for (const PolicyFigures& each : figures.policies) {
    if (!each.done) {
      fmt::print("{}{:<14} did not fit\n", head(which), each.policy);
      continue;
    }
    fmt::print("{}{:<14} {:>9.2f} {:>7} {:>8.2f}\n", head(which), each.policy, each.whole_ns / kMs,
               on_demand ? fmt::format("{:.3f}", on_demand->whole_ns / each.whole_ns) : "-",
               each.whole_bytes / kGB);
  }
}

json row(const PolicyCase& which, const CaseFigures& figures, const PolicyFigures& each) {
  json row = {
      {"workload", which.workload->name}, {"link", which.link.name},        {"ratio", which.ratio},
      {"capacity", figures.capacity},     {"policy", each.policy},          {"done", each.done},
      {"whole_ns", each.whole_ns},        {"whole_bytes", each.whole_bytes}};
  if (!which.regular()) return row;
  row.update({{"kernels", figures.kernels},
              {"ns", each.ns},
              {"in_bytes", each.in_bytes},
              {"out_bytes", each.out_bytes},
              {"data_ns", each.data_ns},
              {"room_ns", each.room_ns},
              {"lb0_ns", figures.bounds.lb0_ns},
              {"lb1_ns", figures.bounds.lb1_ns},
              {"lb2_ns", figures.bounds.lb2_ns},
              {"least_in_bytes", figures.bounds.in_bytes},
              {"least_out_bytes", figures.bounds.out_bytes}});
  return row;
}

// Regular workloads come first.
void measure(const Wanted& wanted, const std::string& file) {
  Measurements measurements(wanted);
  bench::PolicyVerdict verdict;
  json rows = json::array();
  bool whole = false;
  print_header();
  for (size_t i = 0; i < wanted.cases.size(); ++i) {
    const PolicyCase& which = wanted.cases[i];
    const CaseFigures figures = measurements.of(i);
    if (!which.regular() && !std::exchange(whole, true))
      fmt::print(
          "\nWithout a steady state: of the whole job\n{:<20} {:<11} {:>5}  {:<14} {:>9} {:>7} "
          "{:>8}\n",
          "workload", "link", "ratio", "policy", "ms", "speed", "GB");
    if (figures.widest > figures.capacity)
      fmt::print("{}one kernel uses {:.2f} GB, and the capacity is {:.2f} GB\n", head(which),
                 static_cast<double>(figures.widest) / kGB,
                 static_cast<double>(figures.capacity) / kGB);
    else if (which.regular())
      print_steady(which, figures);
    else
      print_whole(which, figures);
    std::fflush(stdout);
    verdict.add(which, figures);
    for (const PolicyFigures& each : figures.policies) rows.push_back(row(which, figures, each));
  }
  if (!file.empty() && !(std::ofstream(file) << rows.dump(1) << "\n"))
    throw std::runtime_error("cannot write " + file);
  fmt::print("{}\n", verdict.line());
}

// --- what is asked for ---

std::vector<std::string> words(const std::string& list) {
  std::vector<std::string> all;
  std::istringstream from(list);
  for (std::string word; std::getline(from, word, ',');) all.push_back(word);
  return all;
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ","));
}

std::vector<std::string> workload_names(bool large) {
  std::vector<std::string> names;
  for (const workloads::Entry& entry : workloads::all())
    if (large || entry.kind != workloads::Kind::Large) names.emplace_back(entry.name);
  return names;
}

double number(const std::string& ratio) {
  std::istringstream from(ratio);
  double value = 0;
  if (!(from >> value) || !from.eof() || value < 1)
    throw std::runtime_error("no ratio " + ratio + ": a number of at least 1");
  return value;
}

std::vector<PolicyCase> cases(const std::string& names, const std::string& links,
                              const std::string& ratios) {
  std::vector<PolicyCase> cases;
  for (const std::string& name : words(names)) {
    const workloads::Entry* entry = workloads::find(name);
    if (!entry)
      throw std::runtime_error(
          fmt::format("no workload {}: there are {}", name, joined(workload_names(true))));
    for (const std::string& link : words(links)) {
      const policy::Link* found = policy::find_link(link);
      if (!found) throw std::runtime_error("no link " + link);
      for (const std::string& ratio : words(ratios))
        cases.push_back({entry, *found, number(ratio)});
    }
  }
  std::ranges::stable_partition(cases, &PolicyCase::regular);
  return cases;
}

std::vector<std::string> known(const std::vector<std::string>& policies) {
  const std::vector<std::string> all = bench::policy_names();
  for (const std::string& name : policies)
    if (std::ranges::find(all, name) == all.end())
      throw std::runtime_error(fmt::format("no policy {}: there are {}", name, joined(all)));
  return policies;
}

}  // namespace

int main(int argc, char** argv) {
  support::Arguments arguments(
      "Compares policies with lower bounds, in modelled time, on models in training.");
  std::string names = joined(workload_names(false)), links = "h200-pcie5,gh200-c2c",
              ratios = "1.25,1.5,2,3", policies = joined(bench::policy_names()), file, text;
  Wanted wanted;
  arguments.add("--workloads", names, "Which, with commas between them");
  arguments.add("--ratios", ratios, "Of the most that is allocated at once to the capacity");
  arguments.add("--links", links, "Which");
  arguments.add("--policies", policies, "Which");
  arguments.add("--iterations", wanted.iterations, "Of each workload").between(4, 1000);
  arguments.add("--jobs", wanted.jobs, "Cases at once").between(1, 64);
  arguments.add("--json", file, "Where all figures go, in nanoseconds and bytes");
  arguments.add("--text", text, "Writes this workload for `spillway replay` to stdout, and ends");
  if (!arguments.parse(argc, argv)) return arguments.status();
  try {
    if (!text.empty()) {
      const workloads::Entry* entry = workloads::find(text);
      if (!entry) throw std::runtime_error("no workload " + text);
      spillway::policy::write_workload_text(entry->make(wanted.iterations), std::cout);
      return 0;
    }
    wanted.cases = cases(names, links, ratios);
    wanted.policies = known(words(policies));
    measure(wanted, file);
  } catch (const std::exception& error) {
    std::fflush(stdout);
    fmt::print(stderr, "bench_policy: {}\n", error.what());
    return 1;
  }
  return 0;
}
