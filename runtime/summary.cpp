// SPDX-License-Identifier: Apache-2.0
#include "runtime/summary.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "runtime/bytes.h"
#include "runtime/live.h"
#include "runtime/log.h"
#include "runtime/mover_thread.h"
#include "runtime/trace/writer.h"

namespace spillway {

namespace {

uint64_t sum_devices(Engine& engine, uint64_t (*value)(const Device&)) {
  uint64_t sum = 0;
  for (int ordinal = 0; ordinal < Engine::kMaxDevices; ordinal++)
    if (const Device* device = engine.device(ordinal)) sum += value(*device);
  return sum;
}

// Of the first device for which there is one.
std::string verdict_of(Engine& engine) {
  for (const Device* device : engine.devices())
    if (std::string verdict = device->foresight.verdict(); !verdict.empty()) return verdict;
  return {};
}

constexpr SummaryField kSummaryFields[] = {
    {"allocations", [](Engine& e) { return e.counters.allocations.load(); }},
    {"frees", [](Engine& e) { return e.counters.frees.load(); }},
    {"launches", [](Engine&) { return count_launches(); }},
    {"refused", [](Engine& e) { return e.counters.refused.load(); }},
    {"evictions", [](Engine& e) { return e.counters.evictions.load(); }},
    {"fetches", [](Engine& e) { return e.counters.fetches.load(); }},
    {"moved_out_bytes", [](Engine& e) { return e.counters.moved_out_bytes.load(); }},
    {"moved_in_bytes", [](Engine& e) { return e.counters.moved_in_bytes.load(); }},
    {"in_place_launches", [](Engine& e) { return e.counters.in_place_launches.load(); }},
    {"rescues", [](Engine& e) { return e.counters.rescues.load(); }},
    {"misses", [](Engine& e) { return e.counters.misses.load(); }},
    {"data_stall_ns", [](Engine& e) { return e.counters.data_stall_ns.load(); }},
    {"room_stall_ns", [](Engine& e) { return e.counters.room_stall_ns.load(); }},
    {"peak_bytes", [](Engine& e) { return e.peak_live_bytes.load(); }},
    {"device_limit",
     [](Engine& e) { return sum_devices(e, [](const Device& d) { return d.limit.load(); }); }},
    {"peak_device_live_bytes",
     [](Engine& e) {
       return sum_devices(e, [](const Device& d) { return d.peak_present_bytes.load(); });
     }},
    {"chunk_creates",
     [](Engine& e) { return sum_devices(e, [](const Device& d) { return d.chunks.creates(); }); }},
    {"chunk_releases",
     [](Engine& e) { return sum_devices(e, [](const Device& d) { return d.chunks.releases(); }); }},
    {"device_held",
     [](Engine& e) { return sum_devices(e, [](const Device& d) { return d.chunks.held(); }); }},
    {"device_live_bytes",
     [](Engine& e) { return sum_devices(e, [](const Device& d) { return d.live_bytes.load(); }); }},
    {"outside_bytes",
     [](Engine& e) { return sum_devices(e, [](const Device& d) { return d.external.load(); }); }},
    {"in_place",
     [](Engine& e) {
       return sum_devices(e, [](const Device& d) { return uint64_t{d.backups.in_place()}; });
     }},
    {"host_limit", [](Engine& e) { return e.host_limit; }},
    {"host_held", [](Engine& e) { return e.host_held.load(); }},
};

Engine* at_exit = nullptr;
pid_t owner = 0;
std::atomic<bool> exiting{false};

void write() {
  if (getpid() != owner || !at_exit) return;
  exiting.store(true);
  park_movers(*at_exit);
  trace::stop();
  end_live_page();
  const Path& path = at_exit->config.summary;
  if (path.empty()) return;
  try {
    if (path.text == "stderr") {
      fprintf(stderr, "spillway: %s\n", summary_line(*at_exit).c_str());
      return;
    }
    FILE* file = fopen(path.expanded().c_str(), "we");
    if (!file) {
      log(LogLevel::Warn, "cannot write the summary to {}: {}", path.expanded(), strerror(errno));
      return;
    }
    fprintf(file, "%s\n", summary_json(*at_exit).c_str());
    fclose(file);
  } catch (...) {  // no memory for a summary: the job's exit status is worth more
  }
}

}  // namespace

std::span<const SummaryField> summary_fields() {
  return kSummaryFields;
}

std::string summary_json(Engine& engine) {
  std::string text = "{";
  for (const SummaryField& field : kSummaryFields)
    text +=
        fmt::format("{}\"{}\": {}", text.size() > 1 ? ", " : "", field.name, field.value(engine));
  if (const std::string verdict = verdict_of(engine); !verdict.empty())
    text += fmt::format(", \"verdict\": \"{}\"", verdict);
  return text + "}";
}

std::string summary_line(Engine& engine) {
  const Counters& counters = engine.counters;
  const uint64_t launches = count_launches(), misses = std::min(counters.misses.load(), launches);
  const auto seconds = [](const std::atomic<uint64_t>& ns) {
    return static_cast<double>(ns.load()) / 1e9;
  };
  std::string text =
      fmt::format("{} allocated at the peak on a budget of {}; {} evictions ({}), {} fetches ({})",
                  format_bytes(engine.peak_live_bytes.load()),
                  format_bytes(sum_devices(engine, [](const Device& d) { return d.limit.load(); })),
                  counters.evictions.load(), format_bytes(counters.moved_out_bytes.load()),
                  counters.fetches.load(), format_bytes(counters.moved_in_bytes.load()));
  if (launches)
    text += fmt::format(
        "; {:.1f} % of {} launches found everything in place",
        100 * static_cast<double>(launches - misses) / static_cast<double>(launches), launches);
  text += fmt::format("; waited {:.2f} s for data, {:.2f} s for room",
                      seconds(counters.data_stall_ns), seconds(counters.room_stall_ns));
  if (counters.refused.load())
    text += fmt::format("; {} allocations refused", counters.refused.load());
  if (const std::string verdict = verdict_of(engine); !verdict.empty())
    text += fmt::format(". In iterations that repeat, {}", verdict);
  return text;
}

void write_summary_at_exit(Engine& engine) {
  const bool registered = owner != 0;  // a forked child inherits the registration
  at_exit = &engine;
  owner = getpid();
  if (!registered) atexit(write);
}

bool process_exiting() noexcept {
  return exiting.load();
}

}  // namespace spillway
