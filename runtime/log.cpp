// SPDX-License-Identifier: Apache-2.0
#include "runtime/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/option_types.h"

namespace spillway {
namespace {

// Where lines go, for one process: after a fork the child makes its own, because a lock inside the
// parent's may have been held by a thread that the child does not have. Never freed: lines come
// until the very end of the process.
struct Outlet {
  pid_t owner;
  spdlog::logger logger;
};

std::atomic<LogLevel> threshold{LogLevel::Warn};
std::atomic<Outlet*> outlet{nullptr};
std::atomic<const std::string*> wanted_file{nullptr};  // null or empty: stderr

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
      break;
  }
  return {spdlog::level::off, ""};
}

Outlet* make_outlet(spdlog::sink_ptr sink, const char* pattern) {
  auto* made = new Outlet{getpid(), spdlog::logger("spillway", std::move(sink))};
  made->logger.set_level(spdlog::level::trace);
  made->logger.flush_on(spdlog::level::trace);  // a line that is not out when a job dies is no use
  made->logger.set_pattern(pattern);
  made->logger.set_error_handler([](const std::string&) {});  // a full disk is not our emergency
  return made;
}

Outlet* open_outlet() {
  const std::string* file = wanted_file.load();
  std::string why;
  if (file != nullptr && !file->empty()) {
    const std::string path = Path{*file}.expanded();
    try {
      return make_outlet(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path),
                         "%Y-%m-%d %H:%M:%S.%e [%P:%t] %v");
    } catch (const std::exception& failure) {
      why = failure.what();
    }
  }
  Outlet* made = make_outlet(std::make_shared<spdlog::sinks::stderr_sink_mt>(), "%v");
  if (!why.empty()) {
    made->logger.warn("{}SPILLWAY_LOG_FILE: {}; logging to stderr", prefix_of(LogLevel::Warn).text,
                      why);
  }
  return made;
}

Outlet& current_outlet() {
  Outlet* now = outlet.load();
  while (now == nullptr || now->owner != getpid()) {
    Outlet* made = open_outlet();
    if (outlet.compare_exchange_strong(now, made)) return *made;
    delete made;  // another thread was first: `now` is its outlet
  }
  return *now;
}

}  // namespace

void log_configure(LogLevel level, std::string_view file) noexcept {
  threshold = level;
  try {
    wanted_file = new std::string(file);  // leaked: a thread may be reading the one before
    outlet = nullptr;
  } catch (...) {  // out of memory: lines go where they went before
  }
}

bool log_enabled(LogLevel level) noexcept {
  return level >= threshold && level != LogLevel::Off;
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
