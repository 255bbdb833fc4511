// SPDX-License-Identifier: Apache-2.0
// spillway top: what this user's jobs under Spillway do just now.
#include <fmt/format.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

#include "runtime/bytes.h"
#include "tools/command.h"
#include "tools/json.h"
#include "tools/live_jobs.h"

namespace spillway::tools {
namespace {

bool as_json = false, once = false;
double interval = 1;
std::atomic<bool> stopped{false};

// What has changed from one look to the next.
class Rates {
 public:
  void look(const LiveJob& job) {
    Look& look = looks_[job.pid];
    if (look.now.pid != job.pid || look.now.began != job.began) look = {job, job};
    if (job.updated == look.now.updated) return;
    look.before = look.now;
    look.now = job;
  }
  // Of a figure that only grows, in a second.
  double rate(const LiveJob& job, const char* figure) const {
    const auto look = looks_.find(job.pid);
    if (look == looks_.end()) return 0;
    const LiveJob &before = look->second.before, &now = look->second.now;
    const auto value = [&](const LiveJob& at) {
      const auto known = at.figures.find(figure);
      return known == at.figures.end() ? 0.0 : static_cast<double>(known->second);
    };
    // Between the first two looks, the average of the run so far.
    const bool first = before.updated == now.updated;
    const uint64_t since = first ? now.began : before.updated;
    if (now.updated <= since) return 0;
    const double grown = value(now) - (first ? 0 : value(before));
    return std::max(0.0, grown * 1e9 / static_cast<double>(now.updated - since));
  }

 private:
  struct Look {
    LiveJob before, now;
  };
  std::map<uint64_t, Look> looks_;
};

uint64_t figure(const LiveJob& job, const char* name) {
  const auto known = job.figures.find(name);
  return known == job.figures.end() ? 0 : known->second;
}

std::string bytes(uint64_t count) {
  return format_bytes(count);
}
std::string a_second(double rate) {
  return format_bytes(static_cast<uint64_t>(rate)) + "/s";
}

struct Column {
  const char* title;
  int width;  // negative: to the left
  std::string (*text)(const LiveJob& job, const Rates& rates);
};
constexpr Column kColumns[] = {
    {"PID", 8, [](const LiveJob& j, const Rates&) { return std::to_string(j.pid); }},
    {"RANK", 5, [](const LiveJob& j, const Rates&) { return j.rank; }},
    {"PROGRAM", -16, [](const LiveJob& j, const Rates&) { return j.program; }},
    {"POLICY", -10, [](const LiveJob& j, const Rates&) { return j.policy; }},
    {"BUDGET", 10, [](const LiveJob& j, const Rates&) { return bytes(figure(j, "device_limit")); }},
    {"LIVE", 10,
     [](const LiveJob& j, const Rates&) { return bytes(figure(j, "device_live_bytes")); }},
    {"DEVICE", 10, [](const LiveJob& j, const Rates&) { return bytes(figure(j, "device_held")); }},
    {"HOST", 10, [](const LiveJob& j, const Rates&) { return bytes(figure(j, "host_held")); }},
    {"OUT", 12,
     [](const LiveJob& j, const Rates& r) { return a_second(r.rate(j, "moved_out_bytes")); }},
    {"IN", 12,
     [](const LiveJob& j, const Rates& r) { return a_second(r.rate(j, "moved_in_bytes")); }},
    {"LAUNCH/S", 9,
     [](const LiveJob& j, const Rates& r) { return fmt::format("{:.0f}", r.rate(j, "launches")); }},
    {"WAITS", 6,  // of one thread's time, in calls that waited for data or room
     [](const LiveJob& j, const Rates& r) {
       const double ns = r.rate(j, "data_stall_ns") + r.rate(j, "room_stall_ns");
       return fmt::format("{:.0f}%", ns / 1e7);
     }},
};

std::string aligned(std::string text, int width) {
  const auto size = static_cast<size_t>(width < 0 ? -width : width);
  if (text.size() > size) text.resize(size);
  return width < 0 ? fmt::format("{:<{}}", text, size) : fmt::format("{:>{}}", text, size);
}

std::string table(const std::vector<LiveJob>& jobs, const Rates& rates, size_t width) {
  std::string out;
  const auto add = [&](const auto& text) {
    std::string line;
    for (const Column& column : kColumns)
      line += (line.empty() ? "" : " ") + aligned(text(column), column.width);
    line.resize(std::min(line.size(), width));
    out += line + "\n";
  };
  add([](const Column& column) { return std::string(column.title); });
  for (const LiveJob& job : jobs)
    add([&](const Column& column) { return column.text(job, rates); });
  if (jobs.empty())
    out += "no job of yours runs under Spillway: start one with `spillway run -- program`\n";
  return out;
}

nlohmann::ordered_json json_of(const std::vector<LiveJob>& jobs) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const LiveJob& job : jobs)
    all.push_back({{"pid", job.pid},
                   {"rank", job.rank},
                   {"program", job.program},
                   {"policy", job.policy},
                   {"began_ns", job.began},
                   {"updated_ns", job.updated},
                   {"figures", job.figures}});
  return all;
}

size_t terminal_width() {
  winsize size{};
  return ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 1000;
}

}  // namespace

void declare_top(CLI::App& app) {
  app.add_flag("--json", as_json, "as JSON, once; sizes in bytes, times in ns");
  app.add_flag("--once", once, "print one table and end");
  app.add_option("--interval", interval, "seconds from one look to the next")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.footer(
      "LIVE is what the program has allocated, DEVICE and HOST are where it is. WAITS is time "
      "spent\n"
      "in calls that waited for memory to move. SPILLWAY_LIVE=off hides a job.");
}

int show_top() {
  if (as_json) {
    fmt::print("{}\n", text_of(json_of(live_jobs())));
    return 0;
  }
  Rates rates;
  const bool screen = isatty(1) && !once;
  struct sigaction stop {};
  stop.sa_handler = [](int) { stopped = true; };
  sigaction(SIGINT, &stop, nullptr);
  sigaction(SIGTERM, &stop, nullptr);
  do {
    const std::vector<LiveJob> jobs = live_jobs();
    for (const LiveJob& job : jobs) rates.look(job);
    fmt::print("{}{}", screen ? "\x1b[H\x1b[J" : "", table(jobs, rates, terminal_width()));
    std::fflush(stdout);
    if (once) break;
    std::this_thread::sleep_for(std::chrono::duration<double>(interval));  // ended by a signal
  } while (!stopped);
  return 0;
}

}  // namespace spillway::tools
