// SPDX-License-Identifier: Apache-2.0
// Log lines: to stderr or a file, never to stdout, never throwing. Light to include: spdlog is only
// in log.cpp.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace spillway {

// As the level of a line, Off is what the user asked for by name: printed at every threshold.
enum class LogLevel { Trace, Debug, Info, Warn, Error, Off };

// Sets the threshold and where lines go ("" = stderr). Before it, warnings and errors go to stderr.
void log_configure(LogLevel threshold, std::string_view file) noexcept;
bool log_enabled(LogLevel level) noexcept;
void log_line(LogLevel level, std::string_view text) noexcept;

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> text, Args&&... args) noexcept {
  if (!log_enabled(level)) return;
  try {
    log_line(level, fmt::format(text, static_cast<Args&&>(args)...));
  } catch (...) {  // out of memory while formatting: a log line is never worth the job
  }
}

}  // namespace spillway
