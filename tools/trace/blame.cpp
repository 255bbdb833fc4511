// SPDX-License-Identifier: Apache-2.0
// spillway trace blame: which kernels waited, and for which ranges.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "tools/json.h"
#include "tools/trace/trace.h"

namespace spillway::tools {
namespace {

std::vector<std::string> paths;
bool as_json = false;
size_t top = 10;

struct Cost {
  uint64_t stalls = 0, ns = 0, bytes = 0;
};

struct Blame {
  Cost all;
  std::map<std::string, Cost> kernels;
  std::map<std::string, Cost> sites;  // of launches and of allocations that waited
  std::map<uint64_t, Cost> ranges;    // a stall counts in full for each range of its call
};

void add(Cost& cost, const trace::Stalled& stall) {
  cost.stalls++;
  cost.ns += stall.took;
  cost.bytes += stall.bytes;
}

Blame blame_of(const std::string& path) {
  Blame blame;
  std::map<uint64_t, std::string> names;
  std::map<uint64_t, trace::Stalled> waiting;  // by slot: of the launch that comes next there
  const auto close = [&](uint64_t slot, const std::string& kernel, uint64_t site = 0) {
    const auto stall = waiting.find(slot);
    if (stall == waiting.end()) return;
    add(blame.kernels[kernel], stall->second);
    if (site) add(blame.sites[names[site]], stall->second);
    waiting.erase(stall);
  };
  constexpr const char* kCopies = "(copies and sets)";
  constexpr const char* kOther = "(allocations and calls that failed)";
  read_trace(path, [&](const TraceReader&, const Record& record) {
    if (const auto named = TraceReader::as<trace::Named>(record)) {
      names[named->name] = named->text;
    } else if (const auto stall = TraceReader::as<trace::Stalled>(record)) {
      close(record.slot, kOther);  // nothing was launched after the last one
      add(blame.all, *stall);
      for (const uint64_t range : stall->ranges) add(blame.ranges[range], *stall);
      if (stall->what == trace::StallFor::Data)
        waiting[record.slot] = *stall;
      else
        add(blame.kernels[kOther], *stall);
    } else if (const auto launch = TraceReader::as<trace::Launched>(record)) {
      const auto name = names.find(launch->kernel);
      close(record.slot, name == names.end() ? "(a kernel without a name)" : name->second,
            launch->site);
    } else if (const auto graph = TraceReader::as<trace::GraphLaunched>(record)) {
      close(record.slot, fmt::format("(graph {:#x})", graph->graph));
    } else if (TraceReader::as<trace::Copied>(record)) {
      close(record.slot, kCopies);
    }
  });
  while (!waiting.empty()) close(waiting.begin()->first, kOther);
  return blame;
}

template <class Key>
std::vector<std::pair<Key, Cost>> dearest(const std::map<Key, Cost>& costs) {
  std::vector<std::pair<Key, Cost>> sorted(costs.begin(), costs.end());
  std::ranges::stable_sort(sorted, std::greater(), [](const auto& each) { return each.second.ns; });
  sorted.resize(std::min(top, sorted.size()));
  return sorted;
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

template <class Key>
void print_table(const char* title, const std::map<Key, Cost>& costs, uint64_t all) {
  fmt::print("  {:>7} {:>10} {:>8} {:>10}  {}\n", "share", "waited", "times", "bytes", title);
  for (const auto& [key, cost] : dearest(costs))
    fmt::print("  {:>6.1f}% {:>10} {:>8} {:>10}  {}\n",
               100 * static_cast<double>(cost.ns) / static_cast<double>(std::max<uint64_t>(all, 1)),
               with_unit(cost.ns, "ns"), cost.stalls, with_unit(cost.bytes, "B"), text(key));
}

template <class Key>
nlohmann::ordered_json json_of(const char* what, const std::map<Key, Cost>& costs) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const auto& [key, cost] : dearest(costs))
    rows.push_back({{what, key}, {"ns", cost.ns}, {"stalls", cost.stalls}, {"bytes", cost.bytes}});
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
    const Blame blame = blame_of(path);
    if (as_json) {
      all.push_back({{"file", path},
                     {"ns", blame.all.ns},
                     {"stalls", blame.all.stalls},
                     {"kernels", json_of("kernel", blame.kernels)},
                     {"ranges", json_of("range", blame.ranges)},
                     {"sites", json_of("site", blame.sites)}});
      continue;
    }
    fmt::print("{}: {} stalls, {}\n", path, blame.all.stalls, with_unit(blame.all.ns, "ns"));
    if (!blame.all.stalls) continue;
    print_table("kernel", blame.kernels, blame.all.ns);
    print_table("range", blame.ranges, blame.all.ns);
    if (!blame.sites.empty()) print_table("called from", blame.sites, blame.all.ns);
  }
  if (as_json) fmt::print("{}\n", text_of(all));
  return 0;
}

}  // namespace spillway::tools
