// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/aside.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace spillway::tools {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr size_t kMostSaid = 4 << 20;  // more is no answer to anything asked here

Milliseconds until(Clock::time_point end) {
  return std::max(Milliseconds(0), std::chrono::ceil<Milliseconds>(end - Clock::now()));
}

[[noreturn]] void become_child(pid_t parent, int out, const std::function<int(int)>& work) {
  setpgid(0, 0);
  // Nor does it outlive us when we are interrupted: the terminal's signal reaches our group only.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  int status = 1;
  try {
    status = work(out);
  } catch (...) {  // no memory: as little to say as to do
  }
  _exit(status);
}

// False: end of file, or too much.
bool take(int from, std::string* pending, size_t* said,
          const std::function<void(std::string_view)>& hear) {
  char buffer[4096];
  const ssize_t count = read(from, buffer, sizeof buffer);
  if (count < 0) return errno == EINTR;
  *said += static_cast<size_t>(count);
  if (count == 0 || *said > kMostSaid) return false;
  pending->append(buffer, static_cast<size_t>(count));
  for (size_t end; (end = pending->find('\n')) != pending->npos;) {
    hear(std::string_view(*pending).substr(0, end));
    pending->erase(0, end + 1);
  }
  return true;
}

}  // namespace

Aside run_aside(Milliseconds patience, const std::function<int(int)>& work,
                const std::function<void(std::string_view)>& hear) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  std::fflush(nullptr);  // or the child would say it again
  const pid_t parent = getpid(), child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    close(ends[0]);
    become_child(parent, ends[1], work);
  }
  close(ends[1]);
  setpgid(child, child);  // whoever comes first

  const Clock::time_point last = Clock::now() + 10 * patience;
  Clock::time_point end = Clock::now() + patience;
  std::string pending;
  size_t said = 0;
  for (bool open = true; open;) {
    pollfd stream{ends[0], POLLIN, 0};
    const int ready = poll(&stream, 1, static_cast<int>(until(std::min(end, last)).count()));
    if (ready == 0) break;
    open = ready < 0 || take(ends[0], &pending, &said, hear);
    if (open && ready > 0) end = Clock::now() + patience;
  }
  close(ends[0]);
  if (!pending.empty()) hear(pending);

  Aside aside;
  int status = 0;
  pid_t ended = 0;
  // It has closed its end, or it is late; a driver may take a moment to let go of the process.
  while ((ended = waitpid(child, &status, WNOHANG)) == 0 && Clock::now() < std::min(end, last))
    usleep(1000);
  if (ended == 0) {
    kill(-child, SIGKILL);
    // One that hangs in the kernel cannot be waited for.
    const Clock::time_point given_up = Clock::now() + std::chrono::seconds(1);
    while (waitpid(child, &status, WNOHANG) == 0 && Clock::now() < given_up) usleep(1000);
    return aside;
  }
  aside.in_time = true;
  if (WIFSIGNALED(status)) aside.signal = WTERMSIG(status);
  if (WIFEXITED(status)) aside.status = WEXITSTATUS(status);
  return aside;
}

Aside run_program_aside(Milliseconds patience, std::vector<std::string> words,
                        const std::vector<std::string>& variables, std::string* said) {
  return run_aside(
      patience,
      [&](int out) {
        const int nothing = open("/dev/null", O_RDONLY);
        dup2(nothing, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(out, STDERR_FILENO);
        for (const std::string& variable : variables) {
          const size_t equals = variable.find('=');
          setenv(variable.substr(0, equals).c_str(), variable.c_str() + equals + 1, 1);
        }
        std::vector<char*> arguments;
        for (std::string& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        execvp(arguments[0], arguments.data());
        return 127;
      },
      [said](std::string_view line) { said->append(line).append("\n"); });
}

}  // namespace spillway::tools
