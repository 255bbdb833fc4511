// SPDX-License-Identifier: Apache-2.0
// A long random job whose device limit changes as it runs (SPILLWAY_LIMIT_FILE), on the simulated
// GPU in virtual time: all data right, device and host memory within their limits, no growth. Last
// line: soak: PASS|FAIL virtual=<minutes> budget_changes=<n> device_peak_over=<MiB>
// host_peak_over=<MiB> rss_growth=<MiB>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/soak/limits.h"
#include "tests/support/arguments.h"
#include "tests/support/place.h"

int main(int argc, char** argv) {
  support::Arguments arguments("Runs a random job for long, with limits that change.");
  double minutes = 30;
  int seconds = 600;
  uint64_t seed = 1;
  arguments.add("--minutes", minutes, "Of virtual time");
  arguments.add("--seconds", seconds, "Of real time, at most");
  arguments.add("--seed", seed, "Of the job");
  if (!arguments.parse(argc, argv)) return arguments.status();

  const support::TemporaryFile report(".json"), summary(".json"), limit(".limit");
  std::ofstream(limit.path()) << soak::kMostLimit << '\n';
  support::Command command;
  command.arguments = {support::program("soak_job"), std::to_string(seed), std::to_string(minutes),
                       std::to_string(seconds), limit.path()};
  command.environment = support::interposed(support::Gpu::Simulated);
  auto& env = command.environment;
  env["SIMCUDA_MEMORY"] = std::to_string(soak::kDevice);
  env["SIMCUDA_SEED"] = std::to_string(seed);
  env["SIMCUDA_KERNEL_TIMES"] = "add=50000";  // microseconds: minutes pass in few launches
  env["SIMCUDA_REPORT"] = report.path();
  env["SPILLWAY_SUMMARY"] = summary.path();
  env["SPILLWAY_REPORT"] = "physical";
  env["SPILLWAY_DEVICE_LIMIT"] = std::to_string(soak::kMostLimit);
  env["SPILLWAY_HOST_LIMIT"] = std::to_string(soak::kHost);
  env["SPILLWAY_LIMIT_FILE"] = limit.path();
  constexpr int kEnding = 120;  // seconds beyond those that the job stops by itself after
  command.deadline = std::chrono::seconds(seconds + kEnding * support::slowness());
  try {
    const support::Finished finished = support::run(command);
    const auto sim = nlohmann::json::parse(report.text(), nullptr, false),
               counts = nlohmann::json::parse(summary.text(), nullptr, false);
    double done = 0, over = 0, growth = 0;
    unsigned long long changes = 0;
    if (!finished.ok() || !sim.is_object() || !counts.is_object() ||
        std::sscanf(finished.out.c_str(), "%lf %llu %lf %lf", &done, &changes, &over, &growth) != 4)
      throw std::runtime_error(finished.how() + ": " + finished.err + "\n  " +
                               support::shell_line(command));
    if (!finished.err.empty()) std::printf("it said: %s", finished.err.c_str());
    const auto mib = [](uint64_t bytes) { return static_cast<double>(bytes) / soak::kMiB; };
    const uint64_t host = std::max(sim.at("pinned").at("peak").get<uint64_t>(),
                                   counts.at("host_held").get<uint64_t>());
    const double host_over = mib(host > soak::kHost ? host - soak::kHost : 0);
    const uint64_t device = sim.at("memory").at("device0").at("peak");
    std::printf("%llu allocations, %llu launches, %llu evictions, %llu fetches\n",
                counts.at("allocations").get<unsigned long long>(),
                counts.at("launches").get<unsigned long long>(),
                counts.at("evictions").get<unsigned long long>(),
                counts.at("fetches").get<unsigned long long>());
    std::printf("limits of %.0f to %.0f MiB; device peak %.1f MiB, host peak %.1f of %.0f MiB\n",
                mib(soak::kLeastLimit), mib(soak::kMostLimit), mib(device), mib(host),
                mib(soak::kHost));
    constexpr double kNoise = 16;  // MiB of its own memory that say nothing: one buffer more
    const bool moved = counts.at("evictions") > 0 && changes > 0;
    const bool pass = over == 0 && host_over == 0 && growth <= kNoise && moved && done >= minutes;
    if (done < minutes) std::printf("time ended before %.1f virtual minutes\n", minutes);
    std::printf(
        "soak: %s virtual=%.1f budget_changes=%llu device_peak_over=%g host_peak_over=%g "
        "rss_growth=%.1f\n",
        pass ? "PASS" : "FAIL", done, changes, over, host_over, growth);
    return pass ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "soak: %s\n", error.what());
    return 1;
  }
}
