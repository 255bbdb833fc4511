// SPDX-License-Identifier: Apache-2.0
// spillway trace blame: which kernels waited, and for which ranges.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "tools/json.h"
#include "tools/trace/trace.h"

namespace spillway::tools {
namespace {

std::vector<std::string> paths;
bool as_json = false;
size_t top = 10;

template <class Map>
auto waited_most(const Map& map) {
  return dearest(map, top, [](const auto& each) { return each.waited.ns; });
}

std::string text(uint64_t range) {
  return std::to_string(range);
}
// A kernel's name, or the frames of a place: "function+0x12 (library+0x3456) < ...".
std::string text(const std::string& name) {
  std::string out;
  for (size_t at = 0; at < name.size();) {
    const size_t next = std::min(name.find(" < ", at), name.size());
    const std::string frame = name.substr(at, next - at);
    const size_t end = std::min(frame.find("+0x"), frame.size());
    out += (out.empty() ? "" : " < ") + readable(frame.substr(0, end)) + frame.substr(end);
    at = next + 3;
  }
  return out;
}

template <class Map>
void print_table(const char* title, const Map& map, uint64_t all) {
  fmt::print("  {:>7} {:>10} {:>8} {:>10}  {}\n", "share", "waited", "times", "bytes", title);
  for (const auto* each : waited_most(map)) {
    const Cost& cost = each->second.waited;
    fmt::print("  {:>6.1f}% {:>10} {:>8} {:>10}  {}\n",
               100 * static_cast<double>(cost.ns) / static_cast<double>(std::max<uint64_t>(all, 1)),
               with_unit(cost.ns, "ns"), cost.stalls, with_unit(cost.bytes, "B"),
               text(each->first));
  }
}

template <class Map>
nlohmann::ordered_json json_of(const char* what, const Map& map) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const auto* each : waited_most(map)) {
    const Cost& cost = each->second.waited;
    rows.push_back(
        {{what, each->first}, {"ns", cost.ns}, {"stalls", cost.stalls}, {"bytes", cost.bytes}});
  }
  return rows;
}

}  // namespace

void declare_blame(CLI::App& app) {
  take_traces(app, &paths);
  app.add_flag("--json", as_json, "as JSON; times in ns, sizes in bytes");
  app.add_option("--top", top, "how many of each")->capture_default_str();
}

int blame_trace() {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const std::string& path : paths) {
    const History history = read_history(path);
    const Cost& waited = history.waited;
    if (as_json) {
      all.push_back({{"file", path},
                     {"ns", waited.ns},
                     {"stalls", waited.stalls},
                     {"kernels", json_of("kernel", history.kernels)},
                     {"ranges", json_of("range", history.ranges)},
                     {"sites", json_of("site", history.sites)}});
      continue;
    }
    fmt::print("{}: {} stalls, {}\n", path, waited.stalls, with_unit(waited.ns, "ns"));
    if (!waited.stalls) continue;
    print_table("kernel", history.kernels, waited.ns);
    print_table("range", history.ranges, waited.ns);
    if (!history.sites.empty()) print_table("called from", history.sites, waited.ns);
  }
  if (as_json) fmt::print("{}\n", text_of(all));
  return 0;
}

}  // namespace spillway::tools
