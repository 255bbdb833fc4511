// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/live_run.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "tests/bench/median.h"
#include "tests/support/place.h"

namespace bench {
namespace {

using nlohmann::json;
using namespace nlohmann::literals;

constexpr size_t kSteady = 3;  // iterations

// The last snapshots, one more than there are iterations between them.
std::vector<const json*> last_marks(const json& report) {
  std::vector<const json*> marks;
  for (const json& snapshot : report.at("snapshots"))
    if (snapshot.at("name") == "iteration") marks.push_back(&snapshot);
  if (marks.size() < kSteady + 1) throw std::runtime_error("too few iterations");
  return {marks.end() - (kSteady + 1), marks.end()};
}

Figures figures(const json& report, const json& summary) {
  Figures figures;
  const std::vector<const json*> marks = last_marks(report);
  const auto since = [&](size_t mark, const json::json_pointer& path) {
    return marks.back()->value(path, 0.0) - marks[mark]->value(path, 0.0);
  };
  std::vector<double> times;
  for (size_t i = 0; i < kSteady; i++)
    times.push_back(since(i, "/virtual_ns"_json_pointer) -
                    since(i + 1, "/virtual_ns"_json_pointer));
  figures.ns = median(times);
  figures.out_bytes = since(0, "/engines/dtoh/bytes"_json_pointer) / kSteady;
  figures.in_bytes = since(0, "/engines/htod/bytes"_json_pointer) / kSteady;
  figures.stall_ns =
      (since(0, "/virtual_ns"_json_pointer) - since(0, "/engines/compute/busy_ns"_json_pointer)) /
      kSteady;
  const json& clock = report.at("clock");
  figures.virtual_ns = clock.at("virtual_ns");
  for (const auto& [name, total] : clock.at("kernels").items())
    figures.kernels[name] = total.at("busy_ns").get<double>() / total.at("count").get<double>();
  figures.usable =
      summary.at("peak_device_live_bytes").get<double>() / summary.at("device_limit").get<double>();
  return figures;
}

}  // namespace

Figures run_live(const LiveProgram& program, const LiveRun& run, int seconds) {
  const support::TemporaryFile report(".json"), summary(".json"), times(".times");
  std::ofstream(times.path()) << program.kernel_times();
  support::Command command;
  command.arguments = program.command;
  command.arguments[0] = support::program(program.command[0]);
  command.environment = support::interposed(support::Gpu::Simulated);
  auto& env = command.environment;
  env["SIMCUDA_PROFILE"] = kProfile;
  env["SIMCUDA_SEED"] = std::to_string(run.schedule);
  env["SIMCUDA_KERNEL_TIMES"] = "@" + times.path();
  env["SIMCUDA_REPORT"] = report.path();
  env["SPILLWAY_LOCKSTEP"] = "on";
  env["SIMCUDA_QUERY"] = "virtual";
  env["SPILLWAY_SUMMARY"] = summary.path();
  if (!run.policy.empty()) env["SPILLWAY_POLICY"] = run.policy;
  if (!run.trace.empty()) env["SPILLWAY_TRACE"] = run.trace;
  if (run.budget) {
    env["SPILLWAY_DEVICE_LIMIT"] = std::to_string(run.budget);
    env["SPILLWAY_HOST_LIMIT"] = std::to_string(run.footprint + run.budget);
  }
  command.deadline = std::chrono::seconds(seconds) * support::slowness();
  const support::Finished finished = support::run(command);
  const json reported = json::parse(report.text(), nullptr, false),
             summed = json::parse(summary.text(), nullptr, false);
  if (!finished.ok() || !reported.is_object() || !summed.is_object())
    throw std::runtime_error(finished.how() + ": " + finished.err + "\n  " +
                             support::shell_line(command));
  Figures result = figures(reported, summed);
  result.out = finished.out;
  return result;
}

}  // namespace bench
