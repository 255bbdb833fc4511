// SPDX-License-Identifier: Apache-2.0
// Every driver function that the library calls fails once, at its 1st, 2nd, 3rd, 5th, 8th ... call
// from the library, while a job runs in too little memory. The job must end with the right bytes or
// with an error that CUDA told it. Last line: faults: PASS|FAIL points=.. crashes=.. hangs=..
// corrupt=..
#include <atomic>
#include <cstdio>
#include <exception>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/arguments.h"
#include "tests/support/place.h"

namespace {

constexpr const char* kFunctions[] = {
#define DRIVER(symbol) #symbol,
#include "runtime/driver.def"
#undef DRIVER
};
constexpr const char* kStories[] = {"plain", "ordered", "graphs", "streams"};
constexpr bool kInPlace[] = {true, false};

// What the driver says when it has not enough of something, for the calls that ask for some.
const char* error_of(const std::string& function) {
  for (const char* asks :
       {"cuMemAlloc", "cuMemCreate", "cuMemMap", "cuMemAddressReserve", "cuMemHostRegister",
        "cuMemHostAlloc", "cuStreamCreate", "cuEventCreate"})
    if (function.starts_with(asks)) return "CUDA_ERROR_OUT_OF_MEMORY";
  return "CUDA_ERROR_UNKNOWN";
}

enum class End { Correct, Told, Crashed, Hung, Corrupt };

struct Outcome {
  End end = End::Correct;
  bool failed = false;  // the fault was reached
  std::string report;
};

Outcome run(const std::string& function, const char* story, bool in_place, uint64_t nth,
            int seconds) {
  const support::TemporaryFile report(".json");
  support::Command command;
  command.arguments = {support::program("fault_job"), story};
  command.environment = support::interposed(support::Gpu::Simulated);
  auto& env = command.environment;
  env["SIMCUDA_MEMORY"] = "64MiB";
  env["SIMCUDA_SEED"] = std::to_string(nth);
  env["SIMCUDA_HOST_VMM"] = in_place ? "1" : "0";
  env["SIMCUDA_REPORT"] = report.path();
  env["SPILLWAY_DEVICE_LIMIT"] = "16MiB";
  if (!function.empty())
    env["SIMCUDA_FAULT"] =
        function + ":" + std::to_string(nth) + ":" + error_of(function) + ":libspillway";
  command.deadline = std::chrono::seconds(seconds * support::slowness());
  const support::Finished finished = support::run(command);
  Outcome outcome;
  const auto counts = nlohmann::json::parse(report.text(), nullptr, false);
  if (counts.is_object())
    for (const auto& one : counts.at("faults")) outcome.failed |= one.value("failed", 0) > 0;
  if (finished.timed_out)
    outcome.end = End::Hung;
  else if (finished.exit_code == 0 && finished.out.ends_with("correct\n"))
    outcome.end = End::Correct;
  else if (finished.exit_code == 3 && finished.out.find("told CUDA_ERROR_") != std::string::npos)
    outcome.end = End::Told;
  else if (finished.exit_code == 1 && finished.out.find("wrong: ") != std::string::npos)
    outcome.end = End::Corrupt;
  else
    outcome.end = End::Crashed;
  // The report is written at the end of a process that ends as usual: here it did not.
  if (outcome.end == End::Told) outcome.failed = true;
  if (outcome.end > End::Told)
    outcome.report =
        finished.how() + ": " + finished.out + finished.err + "\n  " + support::shell_line(command);
  return outcome;
}

struct Series {
  const char* function;
  const char* story;
  bool in_place;
};

}  // namespace

int main(int argc, char** argv) {
  support::Arguments arguments("Lets every driver call of the library fail once.");
  unsigned jobs = 2;
  int seconds = 30, every = 1, depth = 9;
  std::string only;
  arguments.add("--jobs", jobs, "Jobs at a time").between(1, 64);
  arguments.add("--deadline", seconds, "Seconds for one job");
  arguments.add("--every", every, "Only one of so many series").between(1, 1000);
  arguments.add("--depth", depth, "Calls of a series that fail: 1, 2, 3, 5, 8, ...").between(1, 30);
  arguments.add("--only", only, "Only this function");
  if (!arguments.parse(argc, argv)) return arguments.status();

  std::vector<Series> series;
  for (const char* function : kFunctions)
    for (const char* story : kStories)
      for (const bool in_place : kInPlace)
        if (only.empty() || only == function) series.push_back({function, story, in_place});

  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::map<End, int> ends;
  int points = 0, unbroken = 0;
  std::exception_ptr problem;
  const auto count = [&](const Series& one, uint64_t nth, const Outcome& outcome) {
    const std::lock_guard<std::mutex> lock(mutex);
    points++;
    ends[outcome.end]++;
    if (outcome.report.empty()) return;
    std::printf("faults: %s call %llu, %s, %s: %s\n", one.function,
                static_cast<unsigned long long>(nth), one.story,
                one.in_place ? "in place" : "copy only", outcome.report.c_str());
    std::fflush(stdout);
  };
  const auto work = [&] {
    try {
      for (size_t index; (index = next++) < series.size();) {
        // A stride that shares no factor with the stories: all of them have their turn.
        if (index % every != 0) continue;
        const Series& one = series[index];
        uint64_t nth = 1, after = 2;
        for (int turn = 0; turn < depth; ++turn) {
          const Outcome outcome = run(one.function, one.story, one.in_place, nth, seconds);
          if (outcome.failed || outcome.end != End::Correct) count(one, nth, outcome);
          if (!outcome.failed && outcome.end == End::Correct) break;  // it is not called so often
          nth = std::exchange(after, after + nth);
        }
      }
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      problem = std::current_exception();
      next = series.size();
    }
  };
  try {
    // Without a fault all of it must be right: else nothing is shown by what follows.
    for (const char* story : kStories)
      for (const bool in_place : kInPlace) {
        const Outcome outcome = run("", story, in_place, 1, seconds);
        if (outcome.end == End::Correct) continue;
        unbroken++;
        std::printf("faults: no fault, %s: %s\n", story, outcome.report.c_str());
      }
    std::vector<std::thread> workers;
    for (unsigned job = 0; job < jobs; ++job) workers.emplace_back(work);
    for (std::thread& worker : workers) worker.join();
    if (problem) std::rethrow_exception(problem);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "faults: %s\n", error.what());
    return 1;
  }
  const int bad = ends[End::Crashed] + ends[End::Hung] + ends[End::Corrupt];
  const bool pass = bad == 0 && unbroken == 0 && points > 0;
  std::printf("%d jobs went on with the right bytes, %d were told of an error\n",
              ends[End::Correct], ends[End::Told]);
  std::printf("faults: %s points=%d crashes=%d hangs=%d corrupt=%d\n", pass ? "PASS" : "FAIL",
              points, ends[End::Crashed], ends[End::Hung], ends[End::Corrupt]);
  return pass ? 0 : 1;
}
