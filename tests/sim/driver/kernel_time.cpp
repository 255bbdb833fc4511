// SPDX-License-Identifier: Apache-2.0
// Kernel durations; see kernel_time.h.
#include "tests/sim/driver/kernel_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <unordered_map>

#include "tests/sim/driver/launch.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/report.h"
#include "tests/sim/driver/settings.h"

namespace sim {
namespace {

using Table = std::unordered_map<std::string, double>;  // nanoseconds

void read_entry(const std::string& entry, Table* table) {
  if (entry.empty() || entry[0] == '#') return;
  constexpr double kNsPerUs = 1e3;
  const size_t equals = entry.rfind('=');
  char* end = nullptr;
  const double us =
      equals == std::string::npos ? -1 : std::strtod(entry.c_str() + equals + 1, &end);
  if (us < 0 || end == entry.c_str() + equals + 1 || *end) {
    complain(fmt::format("SIMCUDA_KERNEL_TIMES: \"{}\" is not kernel=microseconds", entry));
    return;
  }
  (*table)[entry.substr(0, equals)] = us * kNsPerUs;
}

const Table& overrides() {
  static const Table* const table = [] {
    auto* read = new Table;
    std::string text = settings().kernel_times;
    char separator = ',';
    if (text.starts_with('@')) {
      std::ifstream file(text.substr(1));
      if (!file) complain(fmt::format("SIMCUDA_KERNEL_TIMES: cannot read {}", text.substr(1)));
      text.assign(std::istreambuf_iterator<char>(file), {});
      separator = '\n';
    }
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find(separator, at), text.size());
      read_entry(text.substr(at, end - at), read);
      at = end + 1;
    }
    return read;
  }();
  return *table;
}

}  // namespace

KernelTime kernel_time(const std::string& name, uint64_t threads, const ptx::Counts& counts) {
  const Profile& p = profile();
  const double share =
      std::min(1.0, static_cast<double>(threads) / (static_cast<double>(p.sms) * sm_threads()));
  if (!overrides().empty()) {
    const auto found = overrides().find(name);
    if (found != overrides().end()) return {found->second, share};
  }
  constexpr double kThreadsForBandwidth = 0.25;
  const double compute = static_cast<double>(counts.instructions) / (p.instructions_per_ns * share);
  const uint64_t link = counts.link_loaded + counts.link_stored;
  const uint64_t bytes = counts.bytes_loaded + counts.bytes_stored;
  const double memory = static_cast<double>(bytes - std::min(bytes, link)) /
                        (p.device_rate * std::min(1.0, share / kThreadsForBandwidth));
  const double in = static_cast<double>(counts.link_loaded) / p.zero_copy_load_rate;
  const double out = static_cast<double>(counts.link_stored) / p.zero_copy_store_rate;
  return {std::max({compute, memory, in, out}) + p.kernel_latency_ns, share};
}

}  // namespace sim
