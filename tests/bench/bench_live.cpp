// SPDX-License-Identifier: Apache-2.0
// Whole jobs on less memory than they use, against what no policy can beat. Each runs as it is,
// with the library in front, on the simulated GPU: everything that the engine really loses is in
// the figures, and in lock-step they repeat to the nanosecond. Time and bytes are those of an
// iteration in the steady state; LB0 is the time of its kernels alone, LB2 the lower bound for that
// budget (policy/bounds.h), from the job's own trace. The last line is of the policy that the
// library takes when nobody says: live: time/LB2 geomean=<x> worst=<x> usable=<share>
// replay_error=<x>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <semaphore>
#include <sstream>
#include <stdexcept>

#include "policy/bounds.h"
#include "policy/policy.h"
#include "policy/replay.h"
#include "tests/bench/live_run.h"
#include "tests/support/arguments.h"
#include "tests/support/place.h"
#include "tools/trace/trace.h"
#include "tools/trace/workload.h"

namespace {

namespace policy = spillway::policy;
namespace tools = spillway::tools;
using bench::Figures;
using bench::LiveProgram;

constexpr double kGB = 1e9, kMs = 1e6;
constexpr uint64_t kGranule = 2 << 20;

struct Known {  // of a program, from a run in which everything fits
  policy::Workload workload;
  policy::Cycle cycle;
  uint64_t footprint = 0;
  std::string default_policy;
  Figures in_memory;
};

policy::Mode mode_of(char letter) {
  return letter == 'w'   ? policy::Mode::Write
         : letter == 'r' ? policy::Mode::Read
                         : policy::Mode::ReadWrite;
}

uint64_t footprint_of(const policy::Workload& workload) {
  uint64_t live = 0, most = 0;
  for (const policy::Event& event : workload.events) {
    if (event.kind == policy::Event::Kind::Allocate) live += workload.buffers[event.buffer];
    if (event.kind == policy::Event::Kind::Free) live -= workload.buffers[event.buffer];
    most = std::max(most, live);
  }
  return most;
}

// The last iteration that repeats the one before it.
policy::Cycle steady_cycle(const policy::Workload& workload) {
  size_t marks = 0;
  for (const policy::Event& event : workload.events)
    marks += event.kind == policy::Event::Kind::Iteration;
  for (size_t end = marks; end-- > 2;)
    if (policy::Cycle cycle = policy::cycle_of(workload, end - 1); cycle.kernels()) return cycle;
  throw std::runtime_error("no iteration repeats the one before it");
}

Known learn(const LiveProgram& program, int seconds) {
  const support::TemporaryFile trace(".trace");
  Known known;
  bench::LiveRun run;
  run.trace = trace.path();
  known.in_memory = bench::run_live(program, run, seconds);
  tools::WorkloadReader reader;
  tools::read_trace(trace.path(), [&](const tools::TraceReader& file, const tools::Record& record) {
    known.default_policy = file.about("policy", "?");
    reader.add(file, record);
  });
  // Kernels of one name and different sizes all take their mean.
  known.workload = reader.take(
      {.ns =
           [&](std::string_view kernel) {
             return static_cast<uint64_t>(known.in_memory.kernels.at(std::string(kernel)));
           },
       .mode =
           [&](std::string_view kernel, size_t place, size_t count) {
             if (kernel == tools::WorkloadReader::kCopy) return policy::Mode::ReadWrite;
             return mode_of(program.mode(tools::readable(std::string(kernel)), place, count));
           }});
  known.footprint = footprint_of(known.workload);
  known.cycle = steady_cycle(known.workload);
  return known;
}

// The replay of what ran, over the time that it took, less 1. Replayed as the library knew it: that
// a kernel only reads is not known to it, and ranges move in pieces of the size that it takes at
// this budget (runtime/engine.cpp).
std::optional<double> replay_error(policy::Workload workload, uint64_t budget,
                                   const policy::Link& link, std::string_view policy,
                                   double ran_ns) {
  const policy::PolicyEntry* entry = policy::find_policy(policy);
  if (!entry) return std::nullopt;
  for (policy::Use& use : workload.uses) use.mode = policy::Mode::ReadWrite;
  constexpr uint64_t kPiecesInBudget = 64, kLeast = 2 << 20, kMost = 64 << 20;
  policy::Machine machine;
  machine.link = link;
  machine.capacity = budget;
  machine.piece_bytes = std::clamp(std::bit_floor(budget / kPiecesInBudget), kLeast, kMost);
  const policy::Replayed replayed = policy::replay(workload, *entry->make(), machine);
  if (!replayed.done || replayed.laps.empty()) return std::nullopt;
  const size_t counted = std::min<size_t>(3, replayed.laps.size());
  std::vector<double> last;
  for (size_t lap = replayed.laps.size() - counted; lap < replayed.laps.size(); lap++)
    last.push_back(replayed.laps[lap].ns);
  std::ranges::sort(last);
  return last[counted / 2] / ran_ns - 1;
}

// What the last line says.
class Verdict {
 public:
  void add(double over_bound, double usable, std::optional<double> error) {
    logs_ += std::log(over_bound);
    runs_++;
    worst_ = std::max(worst_, over_bound);
    usable_ = std::min(usable_, usable);
    if (error) error_ = std::max(error_.value_or(0), std::abs(*error));
  }
  std::string line() const {
    const std::string error = error_ ? fmt::format("{:.3f}", *error_) : "none";
    if (!runs_) return "live: time/LB2 geomean=none worst=none usable=none replay_error=" + error;
    return fmt::format("live: time/LB2 geomean={:.3f} worst={:.3f} usable={:.4f} replay_error={}",
                       std::exp(logs_ / runs_), worst_, usable_, error);
  }

 private:
  double logs_ = 0, worst_ = 0, usable_ = 1;
  int runs_ = 0;
  std::optional<double> error_;
};

struct Wanted {
  std::vector<std::string> programs, policies;
  std::vector<double> ratios;
  bool twice = false;
  int seconds = 120;  // a run
  int jobs = 2;       // at once
};

Figures run_once_or_twice(const LiveProgram& program, bench::LiveRun run, const Wanted& wanted) {
  const Figures first = bench::run_live(program, run, wanted.seconds);
  if (!wanted.twice) return first;
  run.schedule = 2;
  const Figures second = bench::run_live(program, run, wanted.seconds);
  if (first.virtual_ns != second.virtual_ns)
    throw std::runtime_error(
        fmt::format("virtual time is {:.3f} ns under one schedule and {:.3f} ns under another",
                    first.virtual_ns, second.virtual_ns));
  return first;
}

struct Row {
  double ratio = 0;
  bench::LiveRun run;
  std::future<Figures> figures;
};

// Under each policy with each ratio, a few at once: virtual time does not mind.
std::vector<Row> start_runs(const LiveProgram& program, const Wanted& wanted, uint64_t footprint) {
  const auto places = std::make_shared<std::counting_semaphore<>>(wanted.jobs);
  std::vector<Row> rows;
  for (const double ratio : wanted.ratios) {
    for (const std::string& policy : wanted.policies) {
      Row& row = rows.emplace_back();
      row.ratio = ratio;
      row.run.policy = policy;
      row.run.footprint = footprint;
      row.run.budget =
          static_cast<uint64_t>(static_cast<double>(footprint) / ratio) / kGranule * kGranule;
      row.figures = std::async(std::launch::async, [&program, &wanted, places, run = row.run] {
        places->acquire();
        const std::shared_ptr<void> leave(nullptr, [&](void*) { places->release(); });
        return run_once_or_twice(program, run, wanted);
      });
    }
  }
  return rows;
}

void measure(const LiveProgram& program, const Wanted& wanted, Verdict& verdict) {
  const Known known = learn(program, wanted.seconds);
  const policy::Link& link = *policy::find_link(bench::kProfile);
  const double lb0 = static_cast<double>(policy::bounds_of(known.cycle, ~0ull, link).lb0_ns);
  fmt::print(
      "{}: {:.2f} GiB at the peak; {} kernels an iteration, {:.3f} ms (LB0); in memory {:.3f} ms\n",
      program.name, static_cast<double>(known.footprint) / (1 << 30), known.cycle.kernels(),
      lb0 / kMs, known.in_memory.ns / kMs);
  double shown = 0;
  for (Row& row : start_runs(program, wanted, known.footprint)) {
    const policy::Bounds bounds = policy::bounds_of(known.cycle, row.run.budget, link);
    const auto lb2 = static_cast<double>(bounds.lb2_ns);
    if (row.ratio != shown)
      fmt::print("{:<7} {:>5.2f}  {:<10} {:>8.3f} {:>7} {:>7.3f} {:>7.3f} {:>7.3f}\n", program.name,
                 row.ratio, "(LB2)", lb2 / kMs, "", lb2 / lb0,
                 static_cast<double>(bounds.out_bytes) / kGB,
                 static_cast<double>(bounds.in_bytes) / kGB);
    shown = row.ratio;
    const Figures figures = row.figures.get();
    if (figures.out != known.in_memory.out)
      throw std::runtime_error("other results than in memory:\n" + figures.out);
    fmt::print(
        "{:<7} {:>5.2f}  {:<10} {:>8.3f} {:>7.3f} {:>7.3f} {:>7.3f} {:>7.3f} {:>8.3f} {:>7.4f}\n",
        program.name, row.ratio, row.run.policy, figures.ns / kMs, figures.ns / lb2, lb2 / lb0,
        figures.out_bytes / kGB, figures.in_bytes / kGB, figures.stall_ns / kMs, figures.usable);
    std::fflush(stdout);
    if (row.run.policy != known.default_policy) continue;
    const auto error =
        replay_error(known.workload, row.run.budget, link, row.run.policy, figures.ns);
    if (error) fmt::print("{:<7} {:>5.2f}  (replay) {:>+21.3f}\n", program.name, row.ratio, *error);
    verdict.add(figures.ns / lb2, figures.usable, error);
  }
}

std::vector<std::string> words(const std::string& list) {
  std::vector<std::string> all;
  std::istringstream from(list);
  for (std::string word; std::getline(from, word, ',');) all.push_back(word);
  return all;
}

template <class Range, class Name>
std::string joined(const Range& range, Name name) {
  std::string list;
  for (const auto& each : range) list += (list.empty() ? "" : ",") + std::string(each.*name);
  return list;
}

}  // namespace

int main(int argc, char** argv) {
  support::Arguments arguments(
      "Runs whole jobs with too little memory, in virtual time, and compares with lower bounds.");
  Wanted wanted;
  std::string programs = joined(bench::live_programs(), &LiveProgram::name),
              policies = joined(policy::policies(), &policy::PolicyEntry::name),
              ratios = "1.25,1.5,2";
  arguments.add("--programs", programs, "Which, with commas between them");
  arguments.add("--ratios", ratios, "Of the most that is allocated at once to the budget");
  arguments.add("--policies", policies, "Which");
  arguments.add("--twice", wanted.twice, "Under two schedules, which must take the same time");
  arguments.add("--jobs", wanted.jobs, "Runs at once; each takes a few GiB").between(1, 64);
  arguments.add("--seconds", wanted.seconds, "Deadline of a run");
  if (!arguments.parse(argc, argv)) return arguments.status();
  try {
    wanted.programs = words(programs);
    wanted.policies = words(policies);
    for (const std::string& ratio : words(ratios)) wanted.ratios.push_back(std::stod(ratio));
    fmt::print("{:<7} {:>5}  {:<10} {:>8} {:>7} {:>7} {:>7} {:>7} {:>8} {:>7}\n", "program",
               "ratio", "policy", "ms/iter", "/LB2", "LB2/LB0", "GB out", "GB in", "stall ms",
               "usable");
    Verdict verdict;
    for (const std::string& name : wanted.programs) {
      const auto found = std::ranges::find(bench::live_programs(), name, &LiveProgram::name);
      if (found == bench::live_programs().end())
        throw std::runtime_error("no program " + name + ": there are " +
                                 joined(bench::live_programs(), &LiveProgram::name));
      measure(*found, wanted, verdict);
    }
    fmt::print("{}\n", verdict.line());
  } catch (const std::exception& error) {
    std::fflush(stdout);
    fmt::print(stderr, "bench_live: {}\n", error.what());
    return 1;
  }
  return 0;
}
