// SPDX-License-Identifier: Apache-2.0
#include "runtime/host_memory.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

namespace spillway {

namespace {

// One number from a file such as memory.max. False: no such file, or "max".
bool read_number(const std::string& path, uint64_t* out) {
  FILE* file = fopen(path.c_str(), "re");
  if (!file) return false;
  unsigned long long value = 0;
  const bool found = fscanf(file, "%llu", &value) == 1;
  fclose(file);
  *out = value;
  return found;
}

uint64_t mem_available() {
  FILE* file = fopen("/proc/meminfo", "re");
  if (!file) return 0;
  char line[256];
  unsigned long long kib = 0;
  while (fgets(line, sizeof(line), file))
    if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) break;
  fclose(file);
  return uint64_t{kib} << 10;
}

// What a cgroup still allows: limit - usage, for this group and every one above it.
uint64_t cgroup_room(const std::string& root, std::string group, const char* limit_file,
                     const char* usage_file) {
  uint64_t room = ~uint64_t{0};
  while (true) {
    uint64_t limit = 0, usage = 0;
    const std::string folder = root + group;
    if (read_number(folder + "/" + limit_file, &limit) &&
        read_number(folder + "/" + usage_file, &usage))
      room = std::min(room, limit > usage ? limit - usage : 0);
    if (group.empty() || group == "/") return room;
    group.erase(group.rfind('/'));
  }
}

uint64_t cgroup_rooms() {
  FILE* file = fopen("/proc/self/cgroup", "re");
  if (!file) return ~uint64_t{0};
  uint64_t room = ~uint64_t{0};
  char line[4096];
  while (fgets(line, sizeof(line), file)) {  // "0::/path" (v2) or "7:memory:/path" (v1)
    line[strcspn(line, "\n")] = 0;
    const char* controllers = strchr(line, ':');
    const char* path = controllers ? strchr(controllers + 1, ':') : nullptr;
    if (!path) continue;
    if (path == controllers + 1)
      room =
          std::min(room, cgroup_room("/sys/fs/cgroup", path + 1, "memory.max", "memory.current"));
    else if (std::string(controllers + 1, path).find("memory") != std::string::npos)
      room = std::min(room, cgroup_room("/sys/fs/cgroup/memory", path + 1, "memory.limit_in_bytes",
                                        "memory.usage_in_bytes"));
  }
  fclose(file);
  return room;
}

}  // namespace

uint64_t available_host_memory() noexcept {
  try {
    return std::min(mem_available(), cgroup_rooms());
  } catch (...) {
    return mem_available();
  }
}

}  // namespace spillway
