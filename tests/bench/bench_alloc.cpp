// SPDX-License-Identifier: Apache-2.0
// What an allocation and its free cost when both are cached: through the library, and from the
// simulated driver's own pool. Processes with the library and without it alternate; medians over
// them. Last line: alloc: pair=<ns> base=<ns> ratio=<x> pairs_per_s=<n>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/bench/median.h"
#include "tests/support/arguments.h"
#include "tests/support/place.h"

namespace {

struct Times {
  double ordered = 0, plain = 0;
};

Times measure(bool hooked, int batches) {
  const support::TemporaryFile summary(".json");
  support::Command command;
  command.arguments = {support::program("alloc_loop"), std::to_string(batches)};
  command.environment = hooked ? support::interposed(support::Gpu::Simulated)
                               : support::plain(support::Gpu::Simulated);
  if (hooked) command.environment["SPILLWAY_SUMMARY"] = summary.path();
  const support::Finished finished = support::run(command);
  Times times;
  if (!finished.ok() || std::sscanf(finished.out.c_str(), "ordered %lf plain %lf", &times.ordered,
                                    &times.plain) != 2) {
    throw std::runtime_error(finished.how() + ": " + finished.err + "\n  " +
                             support::shell_line(command));
  }
  if (hooked) {
    const auto counts = nlohmann::json::parse(summary.text(), nullptr, false);
    if (!counts.is_object() || counts.value("allocations", 0) == 0)
      throw std::runtime_error("the library did not serve the program: " + finished.err);
    if (counts.value("chunk_creates", 0) > 16)
      throw std::runtime_error("nothing was cached: " + counts.dump());
  }
  return times;
}

}  // namespace

int main(int argc, char** argv) {
  support::Arguments arguments("Measures a cached pair of allocation and free.");
  int rounds = 7, batches = 40;
  arguments.add("--rounds", rounds, "Pairs of processes").between(1, 1000);
  arguments.add("--batches", batches, "Batches of allocations in each").between(1, 1000000);
  if (!arguments.parse(argc, argv)) return arguments.status();
  std::vector<double> ordered[2], plain[2];
  try {
    for (int round = 0; round < rounds; ++round) {
      for (const bool hooked : {round % 2 == 1, round % 2 == 0}) {
        const Times times = measure(hooked, batches);
        ordered[hooked].push_back(times.ordered);
        plain[hooked].push_back(times.plain);
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_alloc: %s\n", error.what());
    return 1;
  }
  std::printf("%-30s %10s  %s\n", "one pair", "median ns", "least..most");
  const auto row = [](const char* name, const std::vector<double>& values) {
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    std::printf("%-30s %10.1f  %.1f..%.1f\n", name, bench::median(values), *least, *most);
  };
  row("cuMemAllocAsync, driver's pool", ordered[0]);
  row("cuMemAllocAsync, the library", ordered[1]);
  row("cuMemAlloc, driver", plain[0]);
  row("cuMemAlloc, the library", plain[1]);
  const double pair = bench::median(ordered[1]), base = bench::median(ordered[0]);
  std::printf("alloc: pair=%.1f base=%.1f ratio=%.4f pairs_per_s=%.0f\n", pair, base, pair / base,
              1e9 / pair);
  return 0;
}
