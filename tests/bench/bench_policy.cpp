// SPDX-License-Identifier: Apache-2.0
// Every policy against every workload in the replay model, over budgets and links, held against
// lower bounds. Rows are laps in the steady state; workloads that do not repeat are judged by their
// whole time. Last line:
// policy: lookahead time/LB2 geomean=<x> worst=<x> bytes geomean=<x> vs_lru=<x> gpt150=<x>
//   bytes   moved by a lap, to the least that must be, where LB2 is 2 % or more over the kernels
//   vs_lru  the worst share of the speed-up over lru on demand that the bound allows
//   gpt150  speed-up over lru on demand: GPT at 1.5x over PCIe 5
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>

#include "policy/bounds.h"
#include "policy/replay.h"
#include "tests/support/arguments.h"
#include "tests/workloads/workloads.h"

namespace {

using namespace spillway::policy;
using workloads::Entry;

constexpr std::string_view kDemand = "lru on demand";

struct Wanted {
  std::string workloads = "all", ratios = "1.25,1.5,2,3", links = "h200-pcie5,gh200-c2c";
  int iterations = 10, threads = 2;
  uint64_t piece_mib = 64;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

struct Row {
  const Entry* entry = nullptr;
  std::string ratio, link;
  struct Of {
    std::string policy;
    double ms = 0;  // of a lap; of the whole job where it does not repeat
    Replayed::Lap lap;
    bool done = false;
  };
  std::vector<Of> policies;
  Bounds bounds;
  bool fits = true;  // no kernel alone is more than the capacity
};

double geomean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += std::log(value);
  return values.empty() ? 0 : std::exp(sum / static_cast<double>(values.size()));
}

Row::Of run(const Workload& workload, const Entry& entry, Machine machine, std::string policy) {
  machine.on_demand = policy == kDemand;
  const auto made = find_policy(machine.on_demand ? "lru" : policy)->make();
  const Replayed replayed = replay(workload, *made, machine);
  Row::Of of{std::move(policy), 0, {}, replayed.done && !replayed.laps.empty()};
  if (!of.done) return of;
  // The median of the last third.
  std::vector<Replayed::Lap> last(
      replayed.laps.end() - static_cast<long>((replayed.laps.size() + 2) / 3), replayed.laps.end());
  std::ranges::sort(last, {}, &Replayed::Lap::ns);
  of.lap = last[last.size() / 2];
  of.ms = (entry.regular ? of.lap.ns : replayed.ns) / 1e6;
  return of;
}

void fill(Row& row, const Workload& workload, uint64_t piece_bytes) {
  Machine machine;
  machine.piece_bytes = piece_bytes;
  machine.link = *find_link(row.link);
  machine.capacity = static_cast<uint64_t>(static_cast<double>(workloads::peak_bytes(workload)) /
                                           std::stod(row.ratio));
  row.fits = workloads::widest_kernel(workload) <= machine.capacity;
  if (!row.fits) return;
  if (row.entry->regular)
    row.bounds = bounds_of(cycle_of(workload, 5), machine.capacity, machine.link);
  row.policies.push_back(run(workload, *row.entry, machine, std::string(kDemand)));
  for (const PolicyEntry& policy : policies())
    row.policies.push_back(run(workload, *row.entry, machine, std::string(policy.name)));
}

void print(const Row& row) {
  std::string out;
  const auto gb = [](uint64_t bytes) { return static_cast<double>(bytes) / 1e9; };
  if (!row.fits) {
    fmt::print("{:<22}{:<6}{:<12}one kernel uses more than that\n", row.entry->name, row.ratio,
               row.link);
    return;
  }
  for (const Row::Of& of : row.policies) {
    out += fmt::format("{:<22}{:<6}{:<12}{:<15}", row.entry->name, row.ratio, row.link, of.policy);
    if (!of.done) {
      out += "out of memory\n";
      continue;
    }
    out += fmt::format("{:>10.1f}", of.ms);
    if (row.entry->regular) {
      const auto least = static_cast<double>(row.bounds.in_bytes + row.bounds.out_bytes);
      const auto moved = static_cast<double>(of.lap.in_bytes + of.lap.out_bytes);
      out += fmt::format("{:>8.3f}{:>9.2f}{:>9.2f}{:>9.1f}{:>9.1f}{:>9}",
                         of.ms * 1e6 / static_cast<double>(row.bounds.lb2_ns), gb(of.lap.in_bytes),
                         gb(of.lap.out_bytes), of.lap.data_ns / 1e6, of.lap.room_ns / 1e6,
                         least > 0 ? fmt::format("{:.3f}", moved / least) : "-");
    } else {
      out += fmt::format("{:>8.3f} of lru on demand", of.ms / row.policies[0].ms);
    }
    out += "\n";
  }
  if (row.entry->regular)
    out += fmt::format("{:<22}{:<6}{:<12}{:<15}{:>10.1f}{:>8}{:>9.2f}{:>9.2f}\n", row.entry->name,
                       row.ratio, row.link, "(LB2)", static_cast<double>(row.bounds.lb2_ns) / 1e6,
                       fmt::format("LB0*{:.2f}", static_cast<double>(row.bounds.lb2_ns) /
                                                     static_cast<double>(row.bounds.lb0_ns)),
                       gb(row.bounds.in_bytes), gb(row.bounds.out_bytes));
  fmt::print("{}", out);
  std::fflush(stdout);
}

void sum_up(const std::vector<Row>& rows) {
  std::vector<double> times, bytes, gpt, permitted;
  double share = 1, worst_bytes = 0, irregular = 0;
  for (const Row& row : rows) {
    if (!row.fits) continue;
    const Row::Of &demand = row.policies.front(), &ahead = row.policies.back();
    if (!ahead.done) continue;
    if (!row.entry->regular) {
      irregular = std::max(irregular, ahead.ms / demand.ms);
      continue;
    }
    const auto bound = static_cast<double>(row.bounds.lb2_ns);
    times.push_back(ahead.lap.ns / bound);
    share = std::min(share, bound / ahead.lap.ns);
    constexpr double kOver = 1.02;
    if (bound >= kOver * static_cast<double>(row.bounds.lb0_ns)) {
      bytes.push_back(static_cast<double>(ahead.lap.in_bytes + ahead.lap.out_bytes) /
                      static_cast<double>(row.bounds.in_bytes + row.bounds.out_bytes));
      worst_bytes = std::max(worst_bytes, bytes.back());
    }
    if (row.entry->gpt && row.ratio == "1.5" && row.link == "h200-pcie5") {
      gpt.push_back(demand.ms / ahead.ms);
      permitted.push_back(demand.lap.ns / bound);
    }
  }
  fmt::print(
      "{} rows of jobs that repeat; bytes worst={:.3f}; the bound permits gpt150={:.3f}; jobs that "
      "do not repeat take at worst {:.3f} of lru on demand\n",
      times.size(), worst_bytes, geomean(permitted), irregular);
  fmt::print(
      "policy: lookahead time/LB2 geomean={:.4f} worst={:.4f} bytes geomean={:.3f} vs_lru={:.3f} "
      "gpt150={:.3f}\n",
      geomean(times), times.empty() ? 0 : std::ranges::max(times), geomean(bytes), share,
      geomean(gpt));
}

}  // namespace

int main(int argc, char** argv) {
  support::Arguments arguments(
      "Holds every policy against workloads and bounds, in the replay model.");
  Wanted wanted;
  arguments.add("--workloads", wanted.workloads, "Which, with commas between them");
  arguments.add("--ratios", wanted.ratios, "Of the most that is allocated at once to the budget");
  arguments.add("--links", wanted.links, "Which");
  arguments.add("--iterations", wanted.iterations, "Of each");
  arguments.add("--piece", wanted.piece_mib, "MiB that move as a whole");
  arguments.add("--threads", wanted.threads, "At once");
  if (!arguments.parse(argc, argv)) return arguments.status();
  const auto names = split(wanted.workloads);
  std::vector<Row> rows;
  std::vector<std::pair<size_t, size_t>> jobs;  // of one workload
  for (const Entry& entry : workloads::all()) {
    if (wanted.workloads != "all" && std::ranges::find(names, entry.name) == names.end()) continue;
    const size_t first = rows.size();
    for (const std::string& ratio : split(wanted.ratios))
      for (const std::string& link : split(wanted.links))
        rows.push_back({&entry, ratio, link, {}, {}, true});
    jobs.emplace_back(first, rows.size());
  }
  fmt::print("{:<22}{:<6}{:<12}{:<15}{:>10}{:>8}{:>9}{:>9}{:>9}{:>9}{:>9}\n", "workload", "ratio",
             "link", "policy", "ms", "/LB2", "GB in", "GB out", "data ms", "room ms", "/minimum");
  std::atomic<size_t> next{0};
  std::mutex printing;
  std::vector<std::thread> threads;
  for (int t = 0; t < wanted.threads; t++)
    threads.emplace_back([&] {
      for (size_t job; (job = next++) < jobs.size();) {
        const auto [first, last] = jobs[job];
        const Workload workload = rows[first].entry->make(wanted.iterations);
        for (size_t r = first; r < last; r++) fill(rows[r], workload, wanted.piece_mib << 20);
        const std::lock_guard one(printing);
        for (size_t r = first; r < last; r++) print(rows[r]);
      }
    });
  for (std::thread& thread : threads) thread.join();
  sum_up(rows);
  return 0;
}
