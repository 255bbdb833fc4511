// SPDX-License-Identifier: Apache-2.0
// spillway trace dump: every event, by the names that the file has for it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "tools/json.h"
#include "tools/trace/export.h"

namespace spillway::tools {
namespace {

std::vector<std::string> paths;
bool as_json = false;

void print_text(const Record& record, uint64_t begin) {
  const double seconds = static_cast<double>(static_cast<int64_t>(record.time - begin)) / 1e9;
  std::string line = fmt::format("{:12.6f} {:3} {:10}", seconds, record.slot, record.kind->name);
  for (size_t place = 0; place < record.kind->fields.size(); ++place)
    line += fmt::format(" {}={}", record.kind->fields[place].name, value_text(record, place));
  fmt::print("{}\n", line);
}

}  // namespace

void declare_dump(CLI::App& app) {
  take_traces(app, &paths);
  app.add_flag("--json", as_json, "a JSON object a line; times in ns, sizes in bytes");
  app.footer("Text: seconds since the beginning, the thread's slot, the event, its fields.");
}

int dump_trace() {
  if (as_json) {
    export_json(paths, stdout);
    return 0;
  }
  for (const std::string& path : paths)
    read_trace(path, [&](const TraceReader& reader, const Record& record) {
      print_text(record, reader.about("clock"));
    });
  return 0;
}

}  // namespace spillway::tools
