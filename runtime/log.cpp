// SPDX-License-Identifier: Apache-2.0
#include "runtime/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/option_types.h"

namespace spillway {
namespace {

constexpr size_t kMostFile = 8 << 20;  // bytes; then the file becomes FILE.1, and so on
constexpr size_t kOldFiles = 2;
// Of lines that say the same with other numbers, so many in so long a time.
constexpr uint64_t kMostRepeats = 5;
constexpr std::chrono::seconds kRepeatsIn{10};

// What log_configure() was told. Superseded ones stay: a thread may be reading them.
struct Wish {
  std::string file;  // empty: stderr
  const Wish* before;
};

// Where lines go, for one wish in one process: after a fork the child makes its own, because a lock
// inside the parent's may have been held by a thread that the child does not have. Superseded ones
// stay, and the last is never freed: lines come until the very end of the process.
struct Outlet {
  pid_t owner;
  const Wish* wish;
  spdlog::logger logger;
  const Outlet* before;
};

std::atomic<LogLevel> threshold{LogLevel::Warn};
std::atomic<const Wish*> wish{nullptr};
std::atomic<Outlet*> outlet{nullptr};

struct Prefix {
  spdlog::level::level_enum level;
  std::string_view text;
};

constexpr Prefix prefix_of(LogLevel level) {
  switch (level) {
    case LogLevel::Trace:
      return {spdlog::level::trace, "spillway: "};
    case LogLevel::Debug:
      return {spdlog::level::debug, "spillway: "};
    case LogLevel::Info:
      return {spdlog::level::info, "spillway: "};
    case LogLevel::Warn:
      return {spdlog::level::warn, "spillway: warning: "};
    case LogLevel::Error:
      return {spdlog::level::err, "spillway: error: "};
    case LogLevel::Off:
      return {spdlog::level::critical, "spillway: "};
      break;
  }
  return {spdlog::level::off, ""};
}

spdlog::logger make_logger(spdlog::sink_ptr sink, const char* pattern) {
  spdlog::logger logger("spillway", std::move(sink));
  logger.set_level(spdlog::level::trace);
  logger.flush_on(spdlog::level::trace);  // a line that is not out when a job dies is no use
  logger.set_pattern(pattern);
  logger.set_error_handler([](const std::string&) {});  // a full disk is not our emergency
  return logger;
}

spdlog::logger open_logger(const Wish* wanted) {
  std::string why;
  if (wanted != nullptr && !wanted->file.empty()) {
    try {
      const std::string path = Path{wanted->file}.expanded();
      return make_logger(
          std::make_shared<spdlog::sinks::rotating_file_sink_mt>(path, kMostFile, kOldFiles),
          "%Y-%m-%d %H:%M:%S.%e [%P:%t] %v");
    } catch (const spdlog::spdlog_ex& failure) {
      why = failure.what();
    }
  }
  spdlog::logger logger = make_logger(std::make_shared<spdlog::sinks::stderr_sink_mt>(), "%v");
  if (!why.empty()) {
    logger.warn("{}SPILLWAY_LOG_FILE: {}; logging to stderr", prefix_of(LogLevel::Warn).text, why);
  }
  return logger;
}

Outlet& current_outlet() {
  Outlet* now = outlet.load();
  for (;;) {
    const Wish* wanted = wish.load();
    if (now != nullptr && now->owner == getpid() && now->wish == wanted) return *now;
    auto* made = new Outlet{getpid(), wanted, open_logger(wanted), now};
    if (outlet.compare_exchange_strong(now, made)) return *made;
    delete made;  // another thread was first: `now` is its outlet
  }
}

}  // namespace

void log_configure(LogLevel level, std::string_view file) noexcept {
  threshold = level;
  try {
    wish = new Wish{std::string(file), wish.load()};
  } catch (...) {  // out of memory: lines go where they went before
  }
}

bool log_enabled(LogLevel level) noexcept {
  return level >= threshold;
}

bool log_admits(std::string_view format, uint64_t* left_out) noexcept {
  struct Repeats {
    std::chrono::steady_clock::time_point since;
    uint64_t count = 0;
  };
  static std::mutex* const mutex = new std::mutex;
  static auto* const seen = new std::map<std::string, Repeats, std::less<>>;
  try {
    const auto now = std::chrono::steady_clock::now();
    std::lock_guard held(*mutex);
    const auto known = seen->find(format);
    Repeats& repeats = known != seen->end() ? known->second : (*seen)[std::string(format)];
    if (now - repeats.since > kRepeatsIn) {
      *left_out = repeats.count > kMostRepeats ? repeats.count - kMostRepeats : 0;
      repeats = {now, 0};
    }
    return ++repeats.count <= kMostRepeats;
  } catch (...) {  // no memory to count with
    return true;
  }
}

void log_line(LogLevel level, std::string_view text) noexcept {
  if (!log_enabled(level)) return;
  const int saved = errno;  // we run inside calls that are not supposed to touch it
  try {
    const Prefix prefix = prefix_of(level);
    current_outlet().logger.log(prefix.level, "{}{}", prefix.text, text);
  } catch (...) {  // a log line is never worth the job
  }
  errno = saved;
}

}  // namespace spillway
