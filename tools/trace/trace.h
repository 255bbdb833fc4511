// SPDX-License-Identifier: Apache-2.0
// What the verbs of `spillway trace` share: one file per verb; the table is in trace.cpp.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/trace/history.h"
#include "tools/trace/reader.h"

namespace CLI {
class App;
}

namespace spillway::tools {

struct TraceVerb {
  std::string_view name;
  std::string_view doc;
  void (*declare)(CLI::App& app);
  int (*run)();
};

void declare_blame(CLI::App& app);
int blame_trace();
void declare_diff(CLI::App& app);
int diff_traces();
void declare_dump(CLI::App& app);
int dump_trace();
void declare_export(CLI::App& app);
int export_trace();
void declare_report(CLI::App& app);
int report_traces();
void declare_summary(CLI::App& app);
int summarise_trace();
void declare_timeline(CLI::App& app);
int show_timeline();

// Adds the positional argument: trace files of one run, several for several processes.
void take_traces(CLI::App& app, std::vector<std::string>* paths);

// Calls visit(reader, record) for every event of the file and, before it, of its older half. Shows
// how far it is where that takes long and somebody watches. Then says on stderr what was damaged or
// lost. Throws TraceError.
void read_trace(const std::string& path,
                const std::function<void(const TraceReader&, const Record&)>& visit);
// All of it, added up. Throws TraceError.
History read_history(const std::string& path);

// The first line of what is said of a trace: the file, the process, the program.
std::string title_of(const std::string& path, const History& history);
// The last part of the program's path.
std::string short_program(const History& history);

// A field as text: a word by its name, a number with nothing.
std::string value_text(const Record& record, size_t place);
// Without what a terminal would obey: a trace may say anything.
std::string harmless(std::string_view text);
// A kernel's name as a person writes it: demangled, without parameters and unnamed namespaces.
std::string readable(const std::string& kernel);
// As in 1.5 GiB, 12 us.
std::string with_unit(uint64_t number, std::string_view unit);

}  // namespace spillway::tools
