// SPDX-License-Identifier: Apache-2.0
// Random differential testing: random_runner --seeds 1000. Each seed's program runs without the
// library and with it under several budgets, limits, modes, policies and schedules; all bytes and
// all answers must be the same. Last line: random: PASS|FAIL seeds=.. ops=.. moves=.. mismatches=..
#include <atomic>
#include <cstdio>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "tests/random/kinds.h"
#include "tests/random/trial.h"
#include "tests/support/arguments.h"

namespace {

void print_kinds(uint64_t first, uint64_t seeds, const random_program::Size& size) {
  std::map<std::string, uint64_t> programs;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    for (const std::string& kind : kinds(random_program::generate(seed, size))) ++programs[kind];
  }
  for (const auto& [kind, count] : programs) {
    std::printf("%6.1f%%  %s\n", 100.0 * static_cast<double>(count) / static_cast<double>(seeds),
                kind.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace random_program;
  support::Arguments arguments(
      "Runs random CUDA programs with and without the library and compares all bytes.");
  uint64_t seeds = 100, first = 1;
  unsigned jobs = 2;
  size_t footprint = 0;
  bool only_kinds = false;
  TrialOptions options;
  options.program = support::program("random_program");
  arguments.add("--seeds", seeds, "How many programs");
  arguments.add("--first", first, "The first seed");
  arguments.add("--jobs", jobs, "Programs at once").between(1, 64);
  arguments.add("--budgets", options.budgets, "Budgets for each program").between(1, 100);
  arguments.add("--program", options.program, "Another build of random_program");
  arguments.add("--operations", options.size.operations, "Operations of each program");
  arguments.add("--footprint", footprint, "MiB that live at once");
  arguments.add("--compute", options.size.compute, "What every device can: 10 * major + minor");
  arguments.add("--deadline", options.seconds, "Seconds for one run");
  arguments.add("--gpu", options.gpu, "The simulated GPU, or the machine's own",
                {{"simulated", support::Gpu::Simulated}, {"installed", support::Gpu::Installed}});
  arguments.add("--kinds", only_kinds,
                "Print how many of the programs have each kind of operation; run nothing");
  if (!arguments.parse(argc, argv)) return arguments.status();
  if (footprint > 0) options.size.footprint = footprint << 20;
  // A machine of one's own may have just the one.
  // Nor is a device runtime linked into the kernels.
  if (options.gpu == support::Gpu::Installed) {
    options.size.devices = 1;
    options.size.device_calls = false;
  }
  if (only_kinds) {
    print_kinds(first, seeds, options.size);
    return 0;
  }

  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  uint64_t done = 0, ops = 0, moves = 0, mismatches = 0;
  const auto work = [&] {
    for (;;) {
      const uint64_t index = next++;
      if (index >= seeds) return;
      Trial trial;
      try {
        trial = try_seed(first + index, options);
      } catch (const std::exception& error) {
        trial.mismatches.push_back("random: cannot try seed " + std::to_string(first + index) +
                                   ": " + error.what());
        next = seeds;  // it would be the same for all of them
      }
      const std::lock_guard<std::mutex> lock(mutex);
      ops += trial.operations;
      moves += trial.moves;
      mismatches += trial.mismatches.size();
      for (const std::string& report : trial.mismatches) std::printf("%s\n", report.c_str());
      std::fflush(stdout);
      if (++done % 100 == 0)
        std::fprintf(stderr, "random: %llu of %llu seeds\n", static_cast<unsigned long long>(done),
                     static_cast<unsigned long long>(seeds));
    }
  };
  std::vector<std::thread> workers;
  for (unsigned job = 0; job < jobs; ++job) workers.emplace_back(work);
  for (std::thread& worker : workers) worker.join();

  // Nothing moved: then nothing was tested.
  const bool pass = mismatches == 0 && moves > 0 && done == seeds && seeds > 0;
  if (moves == 0) std::printf("random: nothing was evicted or fetched, so this proves nothing\n");
  std::printf("random: %s seeds=%llu ops=%llu moves=%llu mismatches=%llu\n", pass ? "PASS" : "FAIL",
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(ops),
              static_cast<unsigned long long>(moves), static_cast<unsigned long long>(mismatches));
  return pass ? 0 : 1;
}
