// SPDX-License-Identifier: Apache-2.0
// The program that this process runs, and the names of files.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace spillway {

// Its path, as any bytes; empty when it cannot be told.
inline std::string program_path() {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  return std::string(path, static_cast<size_t>(std::max<ssize_t>(length, 0)));
}

inline std::string_view file_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace spillway
