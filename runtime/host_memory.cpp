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

struct Hierarchy {
  int version;
  const char *root, *limit, *used;
};
constexpr Hierarchy kFirst = {1, "/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                              "memory.usage_in_bytes"},
                    kSecond = {2, "/sys/fs/cgroup", "memory.max", "memory.current"};

// The group, and every one above it.
void add_groups(const Hierarchy& hierarchy, std::string group, std::vector<MemoryGroup>* out) {
  if (group == "/") group.clear();
  while (true) {
    MemoryGroup found{hierarchy.version, hierarchy.root + group, 0, 0};
    if (read_number(found.folder + "/" + hierarchy.limit, &found.limit) &&
        read_number(found.folder + "/" + hierarchy.used, &found.used))
      out->push_back(found);
    if (group.empty()) return;
    group.erase(group.rfind('/'));
  }
}

}  // namespace

std::vector<MemoryGroup> memory_groups() {
  std::vector<MemoryGroup> groups;
  FILE* file = fopen("/proc/self/cgroup", "re");
  if (!file) return groups;
  char line[4096];
  while (fgets(line, sizeof(line), file)) {  // "0::/path" (v2) or "7:memory:/path" (v1)
    line[strcspn(line, "\n")] = 0;
    const char* controllers = strchr(line, ':');
    const char* path = controllers ? strchr(controllers + 1, ':') : nullptr;
    if (!path) continue;
    if (path == controllers + 1)
      add_groups(kSecond, path + 1, &groups);
    else if (std::string(controllers + 1, path).find("memory") != std::string::npos)
      add_groups(kFirst, path + 1, &groups);
  }
  fclose(file);
  return groups;
}

uint64_t available_host_memory() noexcept {
  uint64_t available = mem_available();
  try {
    for (const MemoryGroup& group : memory_groups())
      available = std::min(available, group.limit > group.used ? group.limit - group.used : 0);
  } catch (...) {  // no memory to look further with
  }
  return available;
}

}  // namespace spillway
