// SPDX-License-Identifier: Apache-2.0
// What tracing costs: one event on a launch path, its bytes on disk in the demo, and how fast a
// trace is read. Last line: trace: event=<ns> bytes=<per event> read=<million events/s>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <thread>
#include <vector>

#include "runtime/trace/recorder.h"
#include "runtime/trace/writer.h"
#include "tests/bench/median.h"
#include "tests/support/arguments.h"
#include "tests/support/place.h"
#include "tools/trace/reader.h"

namespace {

using Clock = std::chrono::steady_clock;
using spillway::tools::Record;
using spillway::tools::TraceReader;
namespace trace = spillway::trace;

// A launch that names four ranges, in bursts between which the ring is emptied.
double event_ns(const std::string& file, int bursts) {
  constexpr int kBurst = 5000;
  static std::atomic<trace::Ring*> ring{nullptr};
  if (!trace::start({file, 1ull << 40, spillway::TraceKeep::Last, "\"pid\": 1"}))
    throw std::runtime_error("cannot write " + file);
  uint64_t ranges[4] = {};
  std::vector<double> times;
  for (int burst = 0; burst < bursts; ++burst) {
    const auto begin = Clock::now();
    for (int i = 0; i < kBurst; ++i) {
      for (int place = 0; place < 4; ++place)
        ranges[place] = static_cast<uint64_t>(burst * place + i) % 1000;
      if (trace::on())
        trace::record(ring, trace::Launched{static_cast<uint64_t>(i % 50), 1, 0, ranges});
    }
    times.push_back(std::chrono::duration<double, std::nano>(Clock::now() - begin).count() /
                    kBurst);
    trace::wake_writer();
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  trace::stop();
  const auto [least, most] = std::ranges::minmax(times);
  std::printf("one event: median %.1f ns, %.1f to %.1f in %d bursts of %d\n", bench::median(times),
              least, most, bursts, kBurst);
  return bench::median(times);
}

struct Read {
  uint64_t events = 0, lost = 0;
  double per_second = 0;
};
Read read(const std::string& file) {
  Read result;
  const auto begin = Clock::now();
  TraceReader reader(file);
  for (Record record; reader.next(&record);) {
    result.events++;
    if (const auto some = TraceReader::as<trace::Lost>(record)) result.lost += some->count;
  }
  result.per_second = static_cast<double>(result.events) /
                      std::chrono::duration<double>(Clock::now() - begin).count();
  return result;
}

// The demo's training, with more memory than its device has.
double bytes_per_event(const std::string& file) {
  support::Command command;
  command.arguments = {support::program("train_digits")};
  command.environment = support::interposed(support::Gpu::Simulated);
  command.environment["SIMCUDA_MEMORY"] = "27MiB";
  command.environment["SPILLWAY_TRACE"] = file;
  command.deadline = std::chrono::seconds(120) * support::slowness();
  const support::Finished finished = support::run(command);
  if (!finished.ok())
    throw std::runtime_error(finished.how() + ": " + finished.err + support::shell_line(command));
  const Read all = read(file);
  const double bytes =
      static_cast<double>(std::filesystem::file_size(file)) / static_cast<double>(all.events);
  std::printf("the demo: %llu events, %.1f bytes each on disk\n",
              static_cast<unsigned long long>(all.events), bytes);
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  support::Arguments arguments("Measures what a trace costs.");
  int bursts = 400;
  arguments.add("--bursts", bursts, "Of 5000 events").between(1, 100000);
  if (!arguments.parse(argc, argv)) return arguments.status();
  try {
    const support::TemporaryFile events(".trace"), demo(".trace");
    const double event = event_ns(events.path(), bursts);
    const double bytes = bytes_per_event(demo.path());
    std::vector<double> rates;
    for (int round = 0; round < 3; ++round) rates.push_back(read(events.path()).per_second / 1e6);
    if (const uint64_t lost = read(events.path()).lost)
      std::printf("%llu events were lost\n", static_cast<unsigned long long>(lost));
    std::printf("trace: event=%.1f bytes=%.1f read=%.1f\n", event, bytes, bench::median(rates));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_trace: %s\n", error.what());
    return 1;
  }
  return 0;
}
