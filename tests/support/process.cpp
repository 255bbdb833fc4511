// SPDX-License-Identifier: Apache-2.0
#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <system_error>

namespace support {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

struct Pipe {
  int read_end = -1, write_end = -1;

  Pipe() {
    int ends[2];
    // Close-on-exec: a process started by another thread at this moment must not inherit the write
    // end, or end-of-file would wait for that process too.
    if (pipe2(ends, O_CLOEXEC) != 0) fail(errno, "pipe");
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Pipe() {
    close(read_end);
    close_write();
  }
  Pipe(const Pipe&) = delete;
  void close_write() {
    if (write_end >= 0) close(write_end);
    write_end = -1;
  }
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

pid_t start(const Command& command, const Pipe& out, const Pipe& err) {
  std::vector<std::string> arguments = command.arguments;
  std::vector<std::string> variables;
  for (const auto& [name, value] : command.environment) variables.push_back(name + "=" + value);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write_end, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write_end, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A group of its own, so that the deadline ends its children as well.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);

  pid_t child = -1;
  const int error = posix_spawn(&child, arguments.at(0).c_str(), &actions, &attributes,
                                pointers(arguments).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) fail(error, "cannot start " + command.arguments[0]);
  return child;
}

// False: end of file.
bool drain(int descriptor, std::string* into) {
  char buffer[1 << 16];
  const ssize_t count = read(descriptor, buffer, sizeof buffer);
  if (count > 0) into->append(buffer, static_cast<size_t>(count));
  return count > 0 || (count < 0 && errno == EINTR);
}

}  // namespace

std::string Finished::how() const {
  if (timed_out) return "killed at its deadline";
  if (signal != 0) return "signal " + std::to_string(signal) + " (" + strsignal(signal) + ")";
  return "exit " + std::to_string(exit_code);
}

Finished run(const Command& command) {
  Pipe out, err;
  const Clock::time_point end = Clock::now() + command.deadline;
  const pid_t child = start(command, out, err);
  out.close_write();
  err.close_write();

  Finished finished;
  pollfd streams[] = {{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}};
  std::string* const texts[] = {&finished.out, &finished.err};
  int open = 2;
  while (open > 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0 && !finished.timed_out) {
      finished.timed_out = true;
      kill(-child, SIGKILL);
    }
    // After the kill, a grandchild that left the group could hold the pipe: one last second.
    const int ready = poll(streams, 2, finished.timed_out ? 1000 : static_cast<int>(left));
    if (ready == 0 && finished.timed_out) break;
    for (int i = 0; i < 2; ++i) {
      if (streams[i].revents == 0 || drain(streams[i].fd, texts[i])) continue;
      streams[i].fd = -1;
      --open;
    }
  }

  int status = 0;
  // Its output may be closed long before it exits: the deadline holds here too.
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (Clock::now() >= end && !finished.timed_out) {
      finished.timed_out = true;
      kill(-child, SIGKILL);
    }
    usleep(500);
  }
  if (WIFEXITED(status)) finished.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) finished.signal = WTERMSIG(status);
  return finished;
}

std::string shell_line(const Command& command) {
  const auto quoted = [](const std::string& word) {
    if (!word.empty() && word.find_first_of(" \t\n'\"\\$`*?[]{}()<>|&;#~!") == std::string::npos) {
      return word;
    }
    std::string result = "'";
    for (char letter : word)
      result += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
    return result + "'";
  };
  std::string line = "env -i";
  for (const auto& [name, value] : command.environment) line += " " + name + "=" + quoted(value);
  for (const std::string& argument : command.arguments) line += " " + quoted(argument);
  return line;
}

}  // namespace support
