// SPDX-License-Identifier: Apache-2.0
// What the machine has beside its GPUs: memory, its limits, NUMA nodes. Only reads.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "runtime/bytes.h"
#include "runtime/host_memory.h"
#include "tools/doctor/doctor.h"

namespace spillway::tools {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kGiB = uint64_t{1} << 30;

std::string first_line(const std::string& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

// The value of a line "Name:   value" of a file.
std::string value_of(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name + ":")) {
      const size_t value = line.find_first_not_of(" \t", name.size() + 1);
      return value == line.npos ? "" : line.substr(value);
    }
  return "";
}

// The tightest limit on this process: of its group, or of one above.
std::optional<MemoryGroup> tightest_group() {
  constexpr uint64_t kNoLimit = uint64_t{1} << 60;
  std::optional<MemoryGroup> tightest;
  for (const MemoryGroup& group : memory_groups())
    if (group.limit < kNoLimit && (!tightest || group.limit < tightest->limit)) tightest = group;
  return tightest;
}

// The numbers of a list such as "0-3,8".
std::vector<int> numbers(const std::string& list) {
  std::vector<int> out;
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) {
    const size_t dash = part.find('-');
    const int from = std::atoi(part.c_str());
    const int to = dash == part.npos ? from : std::atoi(part.c_str() + dash + 1);
    for (int each = from; each <= to && out.size() < 4096; ++each) out.push_back(each);
  }
  return out;
}

bool share_one(const std::vector<int>& left, const std::vector<int>& right) {
  return std::ranges::any_of(
      left, [&](int each) { return std::ranges::find(right, each) != right.end(); });
}

}  // namespace

std::vector<std::string> gpus_on_the_bus() {
  std::vector<std::string> found;
  std::error_code failure;
  for (const fs::directory_entry& device :
       fs::directory_iterator("/sys/bus/pci/devices", failure)) {
    // Display controllers (class 3) of NVIDIA.
    if (first_line(device.path() / "vendor") == "0x10de" &&
        first_line(device.path() / "class").starts_with("0x03"))
      found.push_back(device.path().filename());
  }
  std::ranges::sort(found);
  return found;
}

Row memory_row(const Config& config, const Rows& devices) {
  Row row{.topic = "memory"};
  const uint64_t available = available_host_memory();
  const uint64_t budget = config.host_limit.of(available);
  const uint64_t total = std::strtoull(value_of("/proc/meminfo", "MemTotal").c_str(), nullptr, 10)
                         << 10;
  row.text = fmt::format("{} of {} available", format_bytes(available), format_bytes(total));
  row.facts = {{"total_bytes", total},
               {"available_bytes", available},
               {"host_budget_bytes", budget},
               {"cgroup", nullptr}};
  if (const auto cgroup = tightest_group()) {
    row.text += fmt::format(", cgroup v{} limit {} ({} used)", cgroup->version,
                            format_bytes(cgroup->limit), format_bytes(cgroup->used));
    row.facts["cgroup"] = {{"version", cgroup->version},
                           {"folder", cgroup->folder},
                           {"limit_bytes", cgroup->limit},
                           {"used_bytes", cgroup->used}};
  }
  row.text += fmt::format("; evicted data may fill {}", format_bytes(budget));
  uint64_t device_budget = 0;
  for (const Row& device : devices)
    if (device.topic == "device") device_budget += device.facts.value("budget_bytes", uint64_t{0});
  if (budget < kGiB || budget < device_budget / 4) {
    row.health = Health::Warn;
    row.advice = fmt::format(
        "little can leave the device{}: free host memory, or raise the container's limit or "
        "SPILLWAY_HOST_LIMIT",
        device_budget ? fmt::format(" (its budget is {})", format_bytes(device_budget)) : "");
  }
  return row;
}

Row locked_memory_row() {
  Row row{.topic = "locked memory"};
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  const bool unlimited = limit.rlim_cur == RLIM_INFINITY;
  row.text = unlimited ? "no limit"
                       : fmt::format(
                             "ulimit -l is {}; NVIDIA's driver does not count pinned memory "
                             "against it, RDMA does",
                             format_bytes(limit.rlim_cur));
  row.facts = {{"unlimited", unlimited}, {"limit_bytes", unlimited ? 0 : limit.rlim_cur}};
  return row;
}

Row shared_memory_row() {
  Row row{.topic = "shared memory"};
  struct statvfs info {};
  if (statvfs("/dev/shm", &info) != 0) {
    row.health = Health::Warn;
    row.text = "there is no /dev/shm";
    row.advice = "data loaders and NCCL need it: mount a tmpfs there";
    return row;
  }
  const uint64_t total = uint64_t{info.f_blocks} * info.f_frsize;
  const uint64_t free = uint64_t{info.f_bavail} * info.f_frsize;
  row.text = fmt::format("/dev/shm has {} of {} free", format_bytes(free), format_bytes(total));
  row.facts = {{"total_bytes", total}, {"free_bytes", free}};
  if (free < kGiB / 4) {
    row.health = Health::Warn;
    row.advice = "data loaders and NCCL need more: docker run --shm-size=8g, or --ipc=host";
  }
  return row;
}

Row numa_row(const Gpu& gpu) {
  Row row{.topic = "numa", .device = gpu.device};
  std::string bus_id = gpu.bus_id;
  for (char& c : bus_id) c = static_cast<char>(std::tolower(c));
  const std::string said = first_line("/sys/bus/pci/devices/" + bus_id + "/numa_node");
  const int node = bus_id.empty() || said.empty() ? -1 : std::atoi(said.c_str());
  const std::string memory = value_of("/proc/self/status", "Mems_allowed_list");
  const std::string cpus = value_of("/proc/self/status", "Cpus_allowed_list");
  row.facts = {{"node", node}, {"mems_allowed", memory}, {"cpus_allowed", cpus}};
  row.text = fmt::format(
      "{}; this process may use memory of {} and CPUs {}",
      node < 0 ? "the device is near no node in particular"
               : fmt::format("the device is on node {}", node),
      memory.find_first_of("-,") == memory.npos ? "node " + memory : "nodes " + memory, cpus);
  if (node < 0) return row;
  const std::string near = first_line(fmt::format("/sys/devices/system/node/node{}/cpulist", node));
  const bool has_memory = share_one({node}, numbers(memory));
  const bool has_cpus = near.empty() || share_one(numbers(near), numbers(cpus));
  if (has_memory && has_cpus) return row;
  row.health = Health::Warn;
  row.advice = fmt::format(
      "copies cross to another socket: start the program with numactl --cpunodebind={0} "
      "--preferred={0}, or let its cpuset have node {0}",
      node);
  return row;
}

}  // namespace spillway::tools
