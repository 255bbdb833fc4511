// SPDX-License-Identifier: Apache-2.0
// How well memory moves, in the simulated GPU's virtual time and in lock-step, so that every figure
// repeats to the nanosecond: each part runs under two schedule seeds, and different times are an
// error. A cyclic scan over twice the budget gives the use of the link in both directions; two
// models in training give the share of the budget that holds live bytes at the peak. Last line:
// mover: duplex=<share> usable=<share> stall_api=<share> vmm_on_launch_path=<calls>
//
// On a real GPU (--real) the scan alone is timed, against copies both ways in the same run, and the
// last line is: mover: real duplex=<share> moved=<GB/s> link=<GB/s>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/bench/models.h"
#include "tests/support/arguments.h"
#include "tests/support/place.h"

namespace {

using nlohmann::json;

constexpr uint64_t kMiB = 1 << 20;

struct Ran {
  json report, summary;
  std::string out;
};

struct Job {
  std::vector<std::string> arguments;
  uint64_t budget = 0, footprint = 0;
  int seconds = 300;
};

// The job on the machine's own GPU, in its own time.
Ran run_real(const Job& job, bool hooked, support::Gpu gpu) {
  const support::TemporaryFile summary(".json");
  support::Command command;
  command.arguments = job.arguments;
  command.arguments.insert(command.arguments.begin(), support::program("mover_job"));
  command.environment = hooked ? support::interposed(gpu) : support::plain(gpu);
  if (hooked) {
    command.environment["SPILLWAY_SUMMARY"] = summary.path();
    command.environment["SPILLWAY_DEVICE_LIMIT"] = std::to_string(job.budget);
  }
  command.deadline = std::chrono::seconds(job.seconds * support::slowness());
  const support::Finished finished = support::run(command);
  Ran ran;
  ran.summary = json::parse(summary.text(), nullptr, false);
  ran.out = finished.out;
  if (!finished.ok() || (hooked && !ran.summary.is_object()))
    throw std::runtime_error(finished.how() + ": " + finished.err + "\n  " +
                             support::shell_line(command));
  return ran;
}

double number_after(const Ran& ran, const char* word) {
  const size_t at = ran.out.find(word);
  if (at == std::string::npos) throw std::runtime_error(std::string("the job printed no ") + word);
  return std::atof(ran.out.c_str() + at + std::strlen(word));
}

// What is moved in the cycles is the difference to a run that ends before them.
void measure_real(int tensors, uint64_t mib, int cycles, support::Gpu gpu) {
  Job job;
  job.arguments = {"link", std::to_string(4 * mib)};
  const double link = number_after(run_real(job, false, gpu), "rate ");
  job.footprint = tensors * mib * kMiB;
  job.budget = job.footprint / 2;
  const auto moved = [&](int measured, double* seconds) {
    job.arguments = {"scan", std::to_string(tensors), std::to_string(mib), "2",
                     std::to_string(measured)};
    const Ran ran = run_real(job, true, gpu);
    *seconds = number_after(ran, "seconds ");
    return ran.summary.at("moved_out_bytes").get<double>() +
           ran.summary.at("moved_in_bytes").get<double>();
  };
  double ignored = 0, seconds = 0;
  const double before = moved(0, &ignored), after = moved(cycles, &seconds);
  const double rate = (after - before) / seconds / 1e9;
  std::printf("scan of %d x %llu MiB with a budget of half of it, %d cycles in %.3f s\n", tensors,
              static_cast<unsigned long long>(mib), cycles, seconds);
  std::printf("mover: real duplex=%.3f moved=%.2f link=%.2f\n", rate / link, rate, link);
}

Ran run(const Job& job, int seed) {
  const support::TemporaryFile report(".json"), summary(".json");
  support::Command command;
  command.arguments = job.arguments;
  command.arguments.insert(command.arguments.begin(), support::program("mover_job"));
  command.environment = support::interposed(support::Gpu::Simulated);
  auto& env = command.environment;
  env["SIMCUDA_PROFILE"] = "h200-pcie5";
  env["SIMCUDA_SEED"] = std::to_string(seed);
  env["SIMCUDA_KERNEL_TIMES"] = "touch=5";  // microseconds
  env["SIMCUDA_REPORT"] = report.path();
  env["SPILLWAY_LOCKSTEP"] = "on";
  env["SIMCUDA_QUERY"] = "virtual";
  env["SPILLWAY_SUMMARY"] = summary.path();
  env["SPILLWAY_DEVICE_LIMIT"] = std::to_string(job.budget);
  env["SPILLWAY_HOST_LIMIT"] = std::to_string(job.footprint + job.budget);
  command.deadline = std::chrono::seconds(job.seconds * support::slowness());
  const support::Finished finished = support::run(command);
  Ran ran;
  ran.report = json::parse(report.text(), nullptr, false);
  ran.summary = json::parse(summary.text(), nullptr, false);
  if (!finished.ok() || !ran.report.is_object() || !ran.summary.is_object()) {
    throw std::runtime_error(finished.how() + ": " + finished.err + "\n  " +
                             support::shell_line(command));
  }
  if (!finished.err.empty()) std::fprintf(stderr, "%s", finished.err.c_str());
  return ran;
}

// The same job under two seeds: the times must be the same.
Ran run_twice(const char* name, const Job& job) {
  const Ran first = run(job, 1), second = run(job, 2);
  const json &one = first.report.at("clock").at("virtual_ns"),
             &two = second.report.at("clock").at("virtual_ns");
  if (one != two)
    throw std::runtime_error(std::string(name) + ": virtual time is " + one.dump() +
                             " ns under one schedule and " + two.dump() + " ns under another");
  if (first.summary.at("evictions") == 0)
    throw std::runtime_error(std::string(name) + ": nothing was evicted");
  return first;
}

// Of two snapshots, for the thread that took them.
struct Span {
  const json &from, &to;

  double number(const json::json_pointer& path) const {
    return to.value(path, 0.0) - from.value(path, 0.0);
  }
  double thread(const json::json_pointer& path) const {
    return of_thread(to).value(path, 0.0) - of_thread(from).value(path, 0.0);
  }
  static const json& of_thread(const json& snapshot) {
    for (const json& one : snapshot.at("threads"))
      if (one.at("id") == snapshot.at("thread")) return one;
    throw std::runtime_error("a snapshot without its thread");
  }
};

const json& snapshot(const Ran& ran, const char* name) {
  for (const json& one : ran.report.at("snapshots"))
    if (one.at("name") == name) return one;
  throw std::runtime_error(std::string("no snapshot ") + name);
}

struct Scan {
  double duplex = 0, stall = 0, vmm = 0;
};

Scan measure_scan(int tensors, uint64_t mib, int cycles) {
  Job job;
  job.footprint = tensors * mib * kMiB;
  job.budget = job.footprint / 2;
  job.arguments = {"scan", std::to_string(tensors), std::to_string(mib), "2",
                   std::to_string(cycles)};
  const Ran ran = run_twice("scan", job);
  const Span steady{snapshot(ran, "steady"), snapshot(ran, "done")};
  const Span submitting{snapshot(ran, "steady"), snapshot(ran, "submitted")};
  using namespace nlohmann::literals;
  const double time = steady.number("/now_ns"_json_pointer);
  const double in = steady.number("/engines/htod/bytes"_json_pointer),
               out = steady.number("/engines/dtoh/bytes"_json_pointer);
  const double rate = ran.report.at("clock").at("rates").at("both");
  Scan scan;
  scan.duplex = (in + out) / time / rate;
  scan.stall = submitting.thread("/blocked_ns"_json_pointer) / time;
  std::printf("scan of %d x %llu MiB with a budget of half of it, %d cycles:\n", tensors,
              static_cast<unsigned long long>(mib), cycles);
  std::printf("  %-26s %10.3f ms, the same under two schedules\n", "virtual time", time / 1e6);
  std::printf("  %-26s %10.2f GB/s out, %.2f in, of %.1f together\n", "link", out / time, in / time,
              rate);
  std::printf("  %-26s %10.3f ms blocked, %.3f ms of its own work in the driver\n", "job's thread",
              submitting.thread("/blocked_ns"_json_pointer) / 1e6,
              submitting.thread("/own_ns"_json_pointer) / 1e6);
  std::printf("  %-26s", "VMM calls, job's thread");
  for (const char* call : {"create", "map", "set_access", "unmap", "release"}) {
    const double calls = submitting.thread(json::json_pointer(std::string("/calls/") + call));
    std::printf(" %10.0f %s", calls, call);
    scan.vmm += calls;
  }
  std::printf("\n  %-26s", "threads of the process");
  for (const json& thread : steady.to.at("threads"))
    std::printf(" %s: %llu launches, %.3f ms work", thread.at("name").get<std::string>().c_str(),
                thread.at("calls").at("launch").get<unsigned long long>(),
                thread.at("own_ns").get<double>() / 1e6);
  std::printf("\n");
  return scan;
}

// What is left of a budget when each tensor that is served takes whole granules of 2 MiB.
double share_after_rounding(const bench::Model& model) {
  constexpr uint64_t kGranule = 2 * kMiB;
  uint64_t asked = 0, taken = 0;
  const auto count = [&](uint64_t bytes, uint64_t times) {
    asked += times * bytes;
    taken += times * (bytes < kGranule ? bytes : (bytes + kGranule - 1) / kGranule * kGranule);
  };
  for (const bench::Layer& layer : model) {
    for (const uint64_t weight : layer.weights) count(weight, bench::kCopiesOfWeights);
    for (const uint64_t activation : layer.activations) count(activation, 1);
  }
  return static_cast<double>(asked) / static_cast<double>(taken);
}

double measure_model(const std::string& name, int steps) {
  Job job;
  job.footprint = bench::footprint(bench::model(name));
  constexpr double kShare = 0.6;  // of the footprint: everything is live at some moment
  job.budget = static_cast<uint64_t>(kShare * job.footprint) / (2 * kMiB) * (2 * kMiB);
  job.arguments = {name, std::to_string(steps)};
  const Ran ran = run_twice(name.c_str(), job);
  const json& counts = ran.summary;
  const double limit = counts.at("device_limit").get<double>();
  const double live = counts.at("peak_device_live_bytes").get<double>();
  const double usable = live / limit;
  std::printf(
      "%s: %.0f MiB of tensors, budget %.0f MiB, %d steps, %.3f ms of virtual time:\n"
      "  live bytes on the device at the peak, those that the driver serves with them, %.1f MiB: "
      "%.4f\n"
      "  (were nothing lost but the rounding of each tensor to 2 MiB: %.4f)\n"
      "  %llu evictions, %llu fetches, %llu chunks created, %llu released\n",
      name.c_str(), static_cast<double>(job.footprint) / kMiB, limit / kMiB, steps,
      ran.report.at("clock").at("virtual_ns").get<double>() / 1e6, live / kMiB, usable,
      share_after_rounding(bench::model(name)), counts.at("evictions").get<unsigned long long>(),
      counts.at("fetches").get<unsigned long long>(),
      counts.at("chunk_creates").get<unsigned long long>(),
      counts.at("chunk_releases").get<unsigned long long>());
  std::fflush(stdout);
  return usable;
}

}  // namespace

int main(int argc, char** argv) {
  support::Arguments arguments("Measures how well memory moves, in virtual time.");
  int tensors = 64, cycles = 4, steps = 2;
  uint64_t mib = 32;
  bool only_scan = false, real = false;
  support::Gpu gpu = support::Gpu::Installed;
  arguments.add("--tensors", tensors, "Tensors of the scan");
  arguments.add("--mib", mib, "MiB of each");
  arguments.add("--cycles", cycles, "Measured cycles");
  arguments.add("--steps", steps, "Training steps of the models");
  arguments.add("--only-scan", only_scan, "Leave the models out");
  arguments.add("--real", real, "In real time, the scan alone");
  arguments.add("--gpu", gpu, "Of --real: the machine's own, or the simulated one",
                {{"simulated", support::Gpu::Simulated}, {"installed", support::Gpu::Installed}});
  if (!arguments.parse(argc, argv)) return arguments.status();
  try {
    if (real) {
      measure_real(tensors, mib, cycles, gpu);
      return 0;
    }
    const Scan scan = measure_scan(tensors, mib, cycles);
    std::fflush(stdout);
    if (only_scan) return 0;
    const double gpt = measure_model("gpt", steps), unet = measure_model("unet", steps);
    std::printf("mover: duplex=%.3f usable=%.4f stall_api=%.3f vmm_on_launch_path=%.0f\n",
                scan.duplex, std::min(gpt, unet), scan.stall, scan.vmm);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_mover: %s\n", error.what());
    return 1;
  }
  return 0;
}
