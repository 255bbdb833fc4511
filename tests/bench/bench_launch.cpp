// SPDX-License-Identifier: Apache-2.0
// What the library adds to one kernel launch when there is nothing to evict. Processes with it and
// without it alternate; the figure is the median of the differences between neighbours. By default
// on a driver that does nothing, so that only the library's own time is seen. Last line: launch:
// base=<ns> hooked=<ns> added4=<ns> added16=<ns>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/bench/median.h"
#include "tests/bench/shapes.h"
#include "tests/support/arguments.h"
#include "tests/support/place.h"

namespace {

enum class Driver { Null, Simulated, Installed };

std::map<std::string, double> measure(Driver driver, bool hooked, int batches) {
  const support::Gpu gpu =
      driver == Driver::Installed ? support::Gpu::Installed : support::Gpu::Simulated;
  const support::TemporaryFile summary(".json");
  support::Command command;
  command.arguments = {support::program("launch_loop"), std::to_string(batches)};
  command.environment = hooked ? support::interposed(gpu) : support::plain(gpu);
  if (driver == Driver::Null) {
    command.environment["LD_LIBRARY_PATH"] = support::build_directory() / "nulldriver";
  }
  if (hooked) command.environment["SPILLWAY_SUMMARY"] = summary.path();
  const support::Finished finished = support::run(command);
  if (!finished.ok()) {
    throw std::runtime_error(finished.how() + ": " + finished.err + "\n  " +
                             support::shell_line(command));
  }
  if (hooked) {
    const auto counts = nlohmann::json::parse(summary.text(), nullptr, false);
    const bool served = counts.is_object() && counts.value("launches", 0) > 0 &&
                        counts.value("allocations", 0) == bench::kMostPointers;
    if (!served) {
      throw std::runtime_error("the library did not serve the program: " + finished.err + "\n  " +
                               support::shell_line(command));
    }
  }
  std::map<std::string, double> result;
  std::istringstream lines(finished.out);
  std::string kernel;
  for (double time; lines >> kernel >> time;) result[kernel] = time;
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  support::Arguments arguments("Measures what the library adds to a kernel launch.");
  Driver driver = Driver::Null;
  int rounds = 15, batches = 400;
  arguments.add(
      "--driver", driver, "null: one that does nothing; simulated; installed",
      {{"null", Driver::Null}, {"simulated", Driver::Simulated}, {"installed", Driver::Installed}});
  arguments.add("--rounds", rounds, "Pairs of processes").between(1, 1000);
  arguments.add("--batches", batches, "Batches of launches in each").between(1, 1000000);
  if (!arguments.parse(argc, argv)) return arguments.status();

  std::map<std::string, std::vector<double>> base, hooked, added;
  try {
    for (int round = 0; round < rounds; ++round) {
      // Who goes first alternates too.
      const bool first = round % 2 == 1;
      const auto one = measure(driver, first, batches), two = measure(driver, !first, batches);
      for (const bench::Shape& shape : bench::kShapes) {
        const double without = (first ? two : one).at(shape.kernel);
        const double with = (first ? one : two).at(shape.kernel);
        base[shape.kernel].push_back(without);
        hooked[shape.kernel].push_back(with);
        added[shape.kernel].push_back(with - without);
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_launch: %s\n", error.what());
    return 1;
  }
  std::printf("%-12s %9s %9s %9s  %s\n", "parameters", "base ns", "hooked ns", "added ns",
              "least..most added");
  for (const bench::Shape& shape : bench::kShapes) {
    const auto [least, most] =
        std::minmax_element(added[shape.kernel].begin(), added[shape.kernel].end());
    std::printf("%-12s %9.1f %9.1f %9.1f  %.1f..%.1f\n", shape.kernel,
                bench::median(base[shape.kernel]), bench::median(hooked[shape.kernel]),
                bench::median(added[shape.kernel]), *least, *most);
  }
  std::printf("launch: base=%.1f hooked=%.1f added4=%.1f added16=%.1f\n",
              bench::median(base["pointers_4"]), bench::median(hooked["pointers_4"]),
              bench::median(added["pointers_4"]), bench::median(added["pointers_16"]));
  return 0;
}
