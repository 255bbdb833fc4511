// SPDX-License-Identifier: Apache-2.0
// spillway trace timeline: memory over time against the budget, and what moved and waited, in rows.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <numeric>

#include "tools/json.h"
#include "tools/trace/text_chart.h"
#include "tools/trace/trace.h"

namespace spillway::tools {
namespace {

std::vector<std::string> paths;
bool as_json = false;
size_t most_rows = 20;
size_t width = 0;  // 0: of the terminal

constexpr size_t kChartLines = 10;

template <size_t count>
uint64_t sum(const std::array<uint64_t, count>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), uint64_t{0});
}

// Digits behind the point of a number of seconds, for rows this far apart.
int digits_for(uint64_t ns) {
  int digits = 1;
  for (uint64_t step = 1'000'000'000; step > ns && digits < 9; step /= 10) digits++;
  return digits;
}

void print_rows(const History& history) {
  const auto rows = history.time.rows(most_rows);
  if (rows.empty()) return;
  const int digits = digits_for(rows.front().to - rows.front().from);
  fmt::print("{:>12} {:>10} {:>10} {:>10} {:>10} {:>10} {:>7} {:>9}\n", "from", "allocated",
             "on device", "out", "in", "waited", "stalls", "launches");
  for (const auto& [from, to, interval] : rows)
    fmt::print(
        "{:>12} {:>10} {:>10} {:>10} {:>10} {:>10} {:>7} {:>9}\n",
        fmt::format("{:.{}f} s", static_cast<double>(from - history.time.start()) / 1e9, digits),
        with_unit(interval.most.allocated, "B"), with_unit(interval.most.device, "B"),
        with_unit(interval.out.all(), "B"), with_unit(interval.in.all(), "B"),
        with_unit(sum(interval.waited), "ns"), sum(interval.stalls), interval.launches);
}

nlohmann::ordered_json json_of(const std::string& path, const History& history) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const auto& [from, to, interval] : history.time.rows(most_rows))
    rows.push_back({{"from_ns", from - history.time.start()},
                    {"to_ns", to - history.time.start()},
                    {"allocated", interval.most.allocated},
                    {"on_device", interval.most.device},
                    {"evicted", interval.most.evicted},
                    {"budget", interval.most.budget},
                    {"out_bytes", interval.out.all()},
                    {"in_bytes", interval.in.all()},
                    {"waited_ns", sum(interval.waited)},
                    {"stalls", sum(interval.stalls)},
                    {"launches", interval.launches}});
  return {{"file", path},         {"pid", history.pid},       {"program", history.program},
          {"rank", history.rank}, {"ns", history.duration()}, {"rows", rows}};
}

}  // namespace

void declare_timeline(CLI::App& app) {
  take_traces(app, &paths);
  app.add_flag("--json", as_json, "as JSON; times in ns, sizes in bytes");
  app.add_option("--rows", most_rows, "how many intervals of time at most")
      ->check(CLI::Range(1, 2000))
      ->capture_default_str();
  app.add_option("--width", width, "columns of the picture; else those of the terminal")
      ->check(CLI::Range(20, 1000));
  app.footer(
      "allocated, on device: the most at one time in the interval. out, in: bytes that moved "
      "then.\n"
      "waited: by all threads together; stalls: that ended then.");
}

int show_timeline() {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const std::string& path : paths) {
    const History history = read_history(path);
    if (as_json) {
      all.push_back(json_of(path, history));
      continue;
    }
    if (path != paths.front()) fmt::print("\n");
    fmt::print("{}\n", title_of(path, history));
    if (history.inherited)
      fmt::print("  The beginning is not in the trace: {} ranges were there before.\n",
                 history.inherited);
    if (!history.peak) fmt::print("  Nothing was allocated.\n");
    fmt::print("{}", memory_chart(history, width ? width : terminal_width(), kChartLines));
    print_rows(history);
  }
  if (as_json) fmt::print("{}\n", text_of(all));
  return 0;
}

}  // namespace spillway::tools
