// SPDX-License-Identifier: Apache-2.0
// Records for a while from several threads, each event with the number that it has in its thread:
// kill_victim FILE LIMIT MILLISECONDS. Says "." when the trace has begun.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "runtime/trace/recorder.h"
#include "runtime/trace/writer.h"

namespace {

namespace trace = spillway::trace;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kThreads = 3;
std::atomic<trace::Ring*> rings[kThreads];

void record_until(Clock::time_point end, uint64_t thread) {
  for (uint64_t number = 0; Clock::now() < end; ++number) {
    trace::record(rings[thread], trace::Fetched{{.range = thread, .offset = number}});
    if (number % 100 == 0) {  // a kernel that nobody has launched before
      const std::string name = "kernel_" + std::to_string(thread) + "_" + std::to_string(number);
      const uint64_t ranges[] = {thread, number};
      trace::record(rings[thread],
                    trace::Launched{trace::name(trace::NameOf::Kernel, name), 0, 0, ranges});
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const uint64_t limit = std::strtoull(argv[2], nullptr, 10);
  const auto end = Clock::now() + std::chrono::milliseconds(std::atoi(argv[3]));
  if (!trace::start({argv[1], limit, spillway::TraceKeep::Last, "\"pid\": 1"})) return 1;
  if (write(STDOUT_FILENO, ".", 1) != 1) return 1;
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < kThreads; ++thread)
    threads.emplace_back(record_until, end, thread);
  for (std::thread& thread : threads) thread.join();
  trace::stop();
  return 0;
}
