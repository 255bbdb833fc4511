// SPDX-License-Identifier: Apache-2.0
// Stories about movement that goes on beside the program: what it may rely on, and what it could
// notice of it.
#include <dirent.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "tests/programs/driver/story.h"

using namespace story;

namespace {

// Threads whose name tools would show as the library's.
int threads_named(const std::string& prefix) {
  int count = 0;
  DIR* tasks = opendir("/proc/self/task");
  while (const dirent* task = readdir(tasks)) {
    std::ifstream file(std::string("/proc/self/task/") + task->d_name + "/comm");
    std::string name;
    if (std::getline(file, name) && name.rfind(prefix, 0) == 0) count++;
  }
  closedir(tasks);
  return count;
}

size_t free_memory() {
  size_t free = 0, total = 0;
  MUST(cuMemGetInfo(&free, &total));
  return free;
}

}  // namespace

STORY(a_scan) {
  begin();
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  scan(buffers, 4);
  expect_all(buffers, 4);
}

// The least recently used buffer, which is about to leave, is the next to be used.
STORY(a_scan_of_a_little_too_much) {
  begin();
  const std::vector<Buffer> buffers = filled(8, 2 * kMiB);
  CUstream stream = nullptr;
  MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  scan(buffers, 8, stream);
  MUST(cuStreamSynchronize(stream));
  expect_all(buffers, 8);
}

// A stream orders what it is given behind copies that it knows nothing of; others wait on events.
STORY(a_scan_by_two_streams_in_turn) {
  begin();
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  CUstream streams[2];
  CUevent event = nullptr;
  MUST(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  for (CUstream& stream : streams) MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  for (int round = 0; round < 6; round++) {
    scan(buffers, 1, streams[round % 2]);
    MUST(cuEventRecord(event, streams[round % 2]));
    MUST(cuStreamWaitEvent(streams[(round + 1) % 2], event, 0));
  }
  MUST(cuCtxSynchronize());
  expect_all(buffers, 6);
}

STORY(what_fits_needs_no_thread) {
  begin();
  const std::vector<Buffer> buffers = filled(2, 4 * kMiB);
  scan(buffers, 4);
  expect_all(buffers, 4);
  say("%d threads named after the library", threads_named("spillway"));
}

STORY(returns_while_memory_moves) {
  begin();
  scan(filled(6, 4 * kMiB), 2);
}

// Somebody lowers the limit while the program runs, and raises it again.
STORY(a_limit_that_changes) {
  const char* file = getenv("SPILLWAY_LIMIT_FILE");
  const auto set = [&](size_t bytes) {
    if (!file) return;
    std::ofstream(std::string(file) + ".new") << bytes << "\n";
    EXPECT(std::rename((std::string(file) + ".new").c_str(), file) == 0);
  };
  begin();
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  const size_t before = free_memory();
  set(8 * kMiB);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (file && free_memory() < before + 16 * kMiB && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT(!file || free_memory() >= before + 16 * kMiB);
  scan(buffers, 2);
  set(32 * kMiB);
  scan(buffers, 2);
  expect_all(buffers, 4);
}
