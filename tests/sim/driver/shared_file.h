// SPDX-License-Identifier: Apache-2.0
// A memory file of another process, named by its process and descriptor: how legacy IPC handles,
// which are only 64 bytes and cross by any means, lead to memory.
#pragma once

#include <sys/types.h>

namespace sim {

struct FileName {
  pid_t process = 0;
  int file = -1;
  bool operator==(const FileName&) const = default;
};

FileName name_of(int file);  // of this process
bool is_own(const FileName& name);
// A new descriptor for it; -1: the process or its descriptor is gone.
int open_file(const FileName& name);

}  // namespace sim
