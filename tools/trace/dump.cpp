// SPDX-License-Identifier: Apache-2.0
// spillway trace dump: every event, by the names that the file has for it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "tools/json.h"
#include "tools/trace/trace.h"

namespace spillway::tools {
namespace {

std::vector<std::string> paths;
bool as_json = false;

void print_json(const Record& record, const std::string& path) {
  nlohmann::ordered_json line = {
      {"time", record.time}, {"slot", record.slot}, {"kind", record.kind->name}};
  if (paths.size() > 1) line["file"] = path;
  for (size_t place = 0; place < record.kind->fields.size(); ++place) {
    const FieldInfo& field = record.kind->fields[place];
    nlohmann::ordered_json& value = line[field.name];
    if (field.type == FieldInfo::Type::List)
      value = record.list;
    else if (field.type == FieldInfo::Type::Number)
      value = record.numbers[place];
    else if (field.type == FieldInfo::Type::Bool)
      value = record.numbers[place] != 0;
    else
      value = value_text(record, place);
  }
  fmt::print("{}\n", text_of(line, -1));
}

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
  for (const std::string& path : paths)
    read_trace(path, [&](const TraceReader& reader, const Record& record) {
      if (as_json)
        print_json(record, path);
      else
        print_text(record, reader.head().value("clock", uint64_t{0}));
    });
  return 0;
}

}  // namespace spillway::tools
