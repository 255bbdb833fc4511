// SPDX-License-Identifier: Apache-2.0
// Log lines: to stderr or a file, never to stdout, never throwing. Light to include: spdlog is only
// in log.cpp.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace spillway {

// As the level of a line, Off is what the user asked for by name: printed at every threshold.
enum class LogLevel { Trace, Debug, Info, Warn, Error, Off };

// Sets the threshold and where lines go ("" = stderr). Before it, warnings and errors go to stderr.
void log_configure(LogLevel threshold, std::string_view file) noexcept;
bool log_enabled(LogLevel level) noexcept;
void log_line(LogLevel level, std::string_view text) noexcept;
// Whether one more line of this format is printed now: a loop that fails does not fill the disk.
// *left_out: how many were not, since the last one that was.
bool log_admits(std::string_view format, uint64_t* left_out) noexcept;

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> text, Args&&... args) noexcept {
  const fmt::string_view format = text;
  uint64_t left_out = 0;
  if (!log_enabled(level)) return;
  // What is asked for in detail is told in full.
  if (level >= LogLevel::Info && level != LogLevel::Off &&
      !log_admits({format.data(), format.size()}, &left_out))
    return;
  try {
    std::string line = fmt::format(text, static_cast<Args&&>(args)...);
    if (left_out) line += fmt::format(" ({} lines like this were left out)", left_out);
    log_line(level, line);
  } catch (...) {  // out of memory while formatting: a log line is never worth the job
  }
}

}  // namespace spillway
