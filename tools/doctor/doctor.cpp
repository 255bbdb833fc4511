// SPDX-License-Identifier: Apache-2.0
// spillway doctor: what this machine can do, and what Spillway will do on it.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstring>

#include "runtime/config.h"
#include "tools/command.h"
#include "tools/doctor/aside.h"
#include "tools/doctor/doctor.h"

namespace spillway::tools {
namespace {

using Json = nlohmann::ordered_json;

bool as_json = false;
unsigned seconds = 30;

Row options_row(Config* config) {
  Row row{.topic = "options"};
  std::vector<std::string> complaints, set;
  *config =
      load_config(environ, [&](std::string_view sentence) { complaints.emplace_back(sentence); });
  for (const OptionInfo& option : options()) {
    const char* const value = find_variable(environ, option.env);
    if (value != nullptr && *value != '\0') set.push_back(fmt::format("{}={}", option.env, value));
  }
  row.facts = {{"set", set}, {"complaints", complaints}};
  row.text =
      set.empty() ? "none is set: the defaults stand" : fmt::format("{}", fmt::join(set, " "));
  if (!complaints.empty()) {
    row.health = Health::Warn;
    row.advice = fmt::format("{}", fmt::join(complaints, "; "));
  } else if (!config->enable) {
    row.health = Health::Warn;
    row.advice = "Spillway is switched off: every call goes straight to the driver";
  }
  return row;
}

// The child's side: a line of JSON for each thing.
int report_gpus(const Config& config, int out) {
  const auto send = [out](const Json& json) {
    const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    for (size_t done = 0; done < line.size();) {
      const ssize_t written = write(out, line.data() + done, line.size() - done);
      if (written <= 0) _exit(1);
      done += static_cast<size_t>(written);
    }
  };
  // What is examined is the driver, also where Spillway is preloaded into this command.
  setenv("SPILLWAY_ENABLE", "off", 1);
  examine_gpus(config, {[&](const std::string& step) {
                          send({{"at", step}});
                        },
                        [&](const Row& row) {
                          send({{"row", json_of(row)}});
                        }});
  return 0;
}

Rows gpu_rows(const Config& config, std::chrono::milliseconds patience) {
  Rows rows;
  std::string step = "the beginning";
  const Aside aside = run_aside(
      patience, [&config](int out) { return report_gpus(config, out); },
      [&](std::string_view line) {
        const Json json = Json::parse(line, nullptr, false);
        if (json.contains("at")) step = json.at("at").get<std::string>();
        if (json.contains("row")) rows.push_back(row_from(json.at("row")));
      });
  if (aside.in_time && aside.status == 0) return rows;
  Row row{.topic = find_row(rows, "driver") ? "driver calls" : "driver", .health = Health::Fail};
  row.facts = {{"step", step}, {"hung", !aside.in_time}, {"signal", aside.signal}};
  row.text = !aside.in_time
                 ? fmt::format("does not answer within {} s, at: {}", seconds, step)
                 : fmt::format("ended this examination at: {} ({})", step,
                               aside.signal ? strsignal(aside.signal)
                                            : fmt::format("exit status {}", aside.status));
  row.advice = "`dmesg` may say more (Xid, NVRM); a GPU that is lost needs a reset or a reboot";
  rows.push_back(row);
  return rows;
}

}  // namespace

void declare_doctor(CLI::App& app) {
  app.add_flag("--json", as_json, "the rows as JSON, with the figures apart");
  app.add_option("--patience", seconds, "seconds that one step of the driver may take")
      ->check(CLI::Range(1, 600))
      ->capture_default_str();
  app.footer(
      "Tries what the library will do: maps device and host memory, copies 64 MiB a few times in "
      "each direction. Changes no setting, and nothing hangs: the driver is asked by a process of "
      "its own.");
}

int run_doctor() {
  const std::chrono::milliseconds patience = std::chrono::seconds(seconds);
  Config config;
  Rows rows = {library_row(patience), options_row(&config)};
  const Rows gpus = gpu_rows(config, patience);
  rows.insert(rows.end(), gpus.begin(), gpus.end());
  rows.push_back(memory_row(config, gpus));
  rows.push_back(locked_memory_row());
  rows.push_back(shared_memory_row());
  const Rows frameworks = framework_rows(config, patience);
  rows.insert(rows.end(), frameworks.begin(), frameworks.end());
  rows.push_back(neighbours_row());
  as_json ? print_json(rows) : print_text(rows);
  return count(rows, Health::Fail) == 0 ? 0 : kNotSo;
}

}  // namespace spillway::tools
