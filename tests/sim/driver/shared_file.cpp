// SPDX-License-Identifier: Apache-2.0
// Memory files across processes, through /proc.
#include "tests/sim/driver/shared_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace sim {

FileName name_of(int file) {
  return {getpid(), file};
}

bool is_own(const FileName& name) {
  return name.process == getpid();
}

int open_file(const FileName& name) {
  const std::string path = fmt::format("/proc/{}/fd/{}", name.process, name.file);
  return open(path.c_str(), O_RDWR | O_CLOEXEC);
}

}  // namespace sim
