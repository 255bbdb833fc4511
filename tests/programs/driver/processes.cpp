// SPDX-License-Identifier: Apache-2.0
// Processes begin and end: forks and signals while memory moves, exits with work in flight.
#include <signal.h>
#include <spawn.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>

#include "tests/programs/driver/story.h"

using namespace story;

namespace {

int wait_for(pid_t child) {
  int status = 0;
  EXPECT(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

// A data loader: the child uses no CUDA, and what it does must not touch the parent's memory.
STORY(a_child_without_cuda) {
  begin();
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  scan(buffers, 1);
  for (int round = 0; round < 3; ++round) {
    const pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
      std::vector<int> work(1 << 20, round);
      std::exit(work[12345] == round ? 17 : 1);  // with all exit handlers
    }
    scan(buffers, 1);
    EXPECT(wait_for(child) == 17);
  }
  expect_all(buffers, 4);
}

// A child that becomes another program, with our environment.
STORY(a_child_that_execs) {
  begin();
  const Buffer buffer = allocate(4 * kMiB);
  write_pattern(buffer, 2);
  add(buffer, 1);
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "echo from the child; exit 9", static_cast<char*>(nullptr));
    _exit(1);
  }
  EXPECT(wait_for(child) == 9);
  expect_pattern(buffer, 2, 1, kStride);
}

// CUDA's rule: no use after fork of an initialised parent. It must be an answer, never a hang.
STORY(a_child_that_tries_cuda) {
  begin();
  const Buffer buffer = allocate(4 * kMiB);
  write_pattern(buffer, 2);
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    CUdeviceptr address = 0;
    const CUresult result = cuMemAlloc(&address, 4 * kMiB);
    say("in the child: %s", name_of(result));
    _exit(result == CUDA_SUCCESS ? 1 : 5);
  }
  EXPECT(wait_for(child) == 5);
  expect_pattern(buffer, 2);
}

// A child of a parent that never called CUDA is a fresh start.
STORY(a_child_that_is_first) {
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    begin();
    const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
    scan(buffers, 2);
    expect_all(buffers, 2);
    std::exit(6);
  }
  EXPECT(wait_for(child) == 6);
}

STORY(exit_with_work_in_flight) {
  begin();
  scan(filled(6, 4 * kMiB), 20);
  say("done");
}

namespace {

Buffer freed_at_exit;

void free_at_exit() {
  // Runtimes do this from destructors; either answer is right, a hang or a crash is not.
  const CUresult result = cuMemFree(freed_at_exit.address);
  EXPECT(result == CUDA_SUCCESS || result == CUDA_ERROR_DEINITIALIZED);
}

}  // namespace

STORY(frees_in_an_exit_handler) {
  std::atexit(free_at_exit);
  begin();
  freed_at_exit = allocate(4 * kMiB);
  write_pattern(freed_at_exit, 1);
  add(freed_at_exit, 1);
  say("done");
}

namespace {

// Kernels follow one another through more memory than there is, by a thread of its own, until it is
// told to stop.
class Scanner {
 public:
  Scanner()
      : buffers_(filled(6, 4 * kMiB)), thread_([this, context = current()] {
          MUST(cuCtxSetCurrent(context));
          while (!stop_) {
            scan(buffers_, 1);
            MUST(cuStreamSynchronize(nullptr));
            ++rounds_;
          }
        }) {}
  void wait_for_rounds(uint32_t more) const {
    for (const uint32_t until = rounds_ + more; rounds_ < until;) usleep(1000);
  }
  void stop() {
    stop_ = true;
    thread_.join();
    expect_all(buffers_, rounds_);
  }

 private:
  static CUcontext current() {
    CUcontext context = nullptr;
    MUST(cuCtxGetCurrent(&context));
    return context;
  }
  std::vector<Buffer> buffers_;
  std::atomic<bool> stop_{false};
  std::atomic<uint32_t> rounds_{0};
  std::thread thread_;
};

// In a process of its own, which has made the parent sure that memory moves; then `signal`, if any.
int status_of(const std::function<void()>& life, int signal) {
  int ready[2];
  EXPECT(pipe(ready) == 0);
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    begin();
    Scanner scanner;
    scanner.wait_for_rounds(1);
    EXPECT(write(ready[1], "", 1) == 1);
    life();
    for (;;) pause();  // until a signal ends this
  }
  char byte;
  EXPECT(read(ready[0], &byte, 1) == 1);
  if (signal) kill(child, signal);
  return wait_for(child);
}

}  // namespace

// Whatever the library's threads have in hand just then, a child that uses no CUDA runs to its end.
STORY(children_while_memory_moves) {
  begin();
  Scanner scanner;
  extern char** environ;
  char* arguments[] = {const_cast<char*>("sh"), const_cast<char*>("-c"),
                       const_cast<char*>("exit 4"), nullptr};
  for (int round = 0; round < 12; ++round) {
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
      if (round % 3 == 0) std::exit(1);  // with all exit handlers
      if (round % 3 == 1) _exit(2);
      execv("/bin/sh", arguments);
      _exit(5);
    }
    EXPECT(wait_for(child) == (round % 3 == 0 ? 1 : round % 3 == 1 ? 2 : 4));
    EXPECT(posix_spawn(&child, "/bin/sh", nullptr, nullptr, arguments, environ) == 0);
    EXPECT(wait_for(child) == 4);
  }
  EXPECT(WEXITSTATUS(std::system("exit 7")) == 7);
  scanner.stop();
}

// The child of a child, and a child that is killed.
STORY(grandchildren) {
  begin();
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  scan(buffers, 1);
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    const pid_t grandchild = fork();
    if (grandchild == 0) std::exit(11);
    std::exit(wait_for(grandchild) + 1);
  }
  scan(buffers, 1);
  EXPECT(wait_for(child) == 12);
  expect_all(buffers, 2);
}

STORY(signals_while_memory_moves) {
  for (const int signal : {SIGTERM, SIGINT, SIGKILL})
    EXPECT(status_of([] {}, signal) == 128 + signal);
}

namespace {

volatile sig_atomic_t signals = 0;

void handle(int signal) {
  struct sigaction action {};
  action.sa_handler = [](int) { signals = signals + 1; };  // and no SA_RESTART: calls are cut short
  EXPECT(sigaction(signal, &action, nullptr) == 0);
}

}  // namespace

// It ends by itself, as schedulers ask of jobs.
STORY(a_signal_that_is_handled) {
  handle(SIGTERM);
  const auto life = [] {
    while (!signals) usleep(1000);
    std::exit(3);
  };
  EXPECT(status_of(life, SIGTERM) == 3);
}

// A timer cuts short whatever call it meets, in whatever thread.
STORY(interrupted_again_and_again) {
  begin();
  handle(SIGALRM);
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  const itimerval often{{0, 300}, {0, 300}};  // microseconds
  EXPECT(setitimer(ITIMER_REAL, &often, nullptr) == 0);
  scan(buffers, 12);
  MUST(cuCtxSynchronize());
  const itimerval never{};
  EXPECT(setitimer(ITIMER_REAL, &never, nullptr) == 0 && signals > 0);
  expect_all(buffers, 12);
}

STORY(exits_while_memory_moves) {
  EXPECT(status_of([] { std::exit(4); }, 0) == 4);
  EXPECT(status_of([] { std::quick_exit(5); }, 0) == 5);
  EXPECT(status_of([] { _exit(6); }, 0) == 6);
  EXPECT(status_of([] { std::thread([] { std::exit(7); }).join(); }, 0) == 7);
}

// It becomes another program: nobody says goodbye to the library.
STORY(exec_while_memory_moves) {
  EXPECT(status_of([] { execl("/bin/sh", "sh", "-c", "exit 8", static_cast<char*>(nullptr)); },
                   0) == 8);
}

// Threads end with work in their own streams; it is done, and what they used can move.
STORY(threads_that_end) {
  const CUcontext context = begin();
  const std::vector<Buffer> buffers = filled(6, 4 * kMiB);
  kernel("add");
  for (uint32_t round = 0; round < 12; ++round) {
    std::thread([&, round] {
      MUST(cuCtxSetCurrent(context));
      add(buffers[round % 6], 1, round % 2 ? CU_STREAM_PER_THREAD : nullptr);
    }).join();
    // Another thread's stream: nothing but the whole context can be waited for.
    if (round == 5) MUST(cuCtxSynchronize());
  }
  MUST(cuCtxSynchronize());
  expect_all(buffers, 2);
}

// Runs the command that it is given, and tells the number of its process before.
STORY(watched_by_a_command) {
  begin();
  const std::vector<Buffer> buffers = filled(7, 4 * kMiB);
  scan(buffers, 2);
  MUST(cuCtxSynchronize());
  const char* const command = std::getenv("WATCHER");
  if (command == nullptr) fail("WATCHER is not set");
  std::printf("%d\n", getpid());
  std::fflush(stdout);
  EXPECT(std::system(command) == 0);
}
