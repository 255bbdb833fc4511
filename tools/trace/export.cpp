// SPDX-License-Identifier: Apache-2.0
// spillway trace export: for other programs to read.
#include "tools/trace/export.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstring>
#include <memory>

#include "tools/json.h"

namespace spillway::tools {
namespace {

std::vector<std::string> paths;
std::string csv_kind, output = "-";
bool perfetto = false, json = false;

// As RFC 4180 has it.
std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string plain_value(const Record& record, size_t place) {
  return record.kind->fields[place].type == FieldInfo::Type::Number
             ? std::to_string(record.numbers[place])
             : quoted(value_text(record, place));
}

nlohmann::ordered_json json_value(const Record& record, size_t place) {
  switch (record.kind->fields[place].type) {
    case FieldInfo::Type::List:
      return record.list;
    case FieldInfo::Type::Number:
      return record.numbers[place];
    case FieldInfo::Type::Bool:
      return record.numbers[place] != 0;
    case FieldInfo::Type::Word:
    case FieldInfo::Type::Text:
      break;
  }
  return value_text(record, place);
}

}  // namespace

void export_csv(const std::vector<std::string>& files, const std::string& kind, std::FILE* out) {
  bool headed = false, known = false;
  std::string kinds;
  for (const std::string& path : files)
    read_trace(path, [&](const TraceReader& reader, const Record& record) {
      if (kinds.empty())
        for (const KindInfo& each : reader.kinds()) {
          kinds += (kinds.empty() ? "" : ", ") + each.name;
          known |= each.name == kind;
        }
      if (record.kind->name != kind) return;
      if (!std::exchange(headed, true)) {
        std::string head = "file,time_ns,slot";
        for (const FieldInfo& field : record.kind->fields) head += "," + field.name;
        fmt::print(out, "{}\r\n", head);
      }
      std::string line = fmt::format("{},{},{}", quoted(path), record.time, record.slot);
      for (size_t place = 0; place < record.kind->fields.size(); ++place)
        line += "," + plain_value(record, place);
      fmt::print(out, "{}\r\n", line);
    });
  if (!known) throw TraceError(fmt::format("no event is called '{}'; there are: {}", kind, kinds));
}

void export_json(const std::vector<std::string>& files, std::FILE* out) {
  for (const std::string& path : files)
    read_trace(path, [&](const TraceReader&, const Record& record) {
      nlohmann::ordered_json line = {
          {"time", record.time}, {"slot", record.slot}, {"kind", record.kind->name}};
      if (files.size() > 1) line["file"] = path;
      for (size_t place = 0; place < record.kind->fields.size(); ++place)
        line[record.kind->fields[place].name] = json_value(record, place);
      fmt::print(out, "{}\n", text_of(line, -1));
    });
}

void declare_export(CLI::App& app) {
  take_traces(app, &paths);
  CLI::Option_group* format = app.add_option_group("format");
  format->add_flag("--perfetto", perfetto, "for https://ui.perfetto.dev and chrome://tracing");
  format->add_option("--csv", csv_kind, "a table of one kind of event, as in --csv evicted")
      ->type_name("KIND");
  format->add_flag("--json", json,
                   "every event, a JSON object a line; times in ns, sizes in bytes");
  format->require_option(1);
  app.add_option("-o,--output", output, "where to; - is standard output")->capture_default_str();
}

int export_trace() {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(nullptr, std::fclose);
  if (output != "-") {
    file.reset(std::fopen(output.c_str(), "we"));
    if (!file) throw TraceError(output + ": " + std::strerror(errno));
  }
  std::FILE* const out = file ? file.get() : stdout;
  if (perfetto)
    export_perfetto(paths, out);
  else if (json)
    export_json(paths, out);
  else
    export_csv(paths, csv_kind, out);
  if (std::fflush(out) != 0) throw TraceError(output + ": " + std::strerror(errno));
  return 0;
}

}  // namespace spillway::tools
