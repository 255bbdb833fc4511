// SPDX-License-Identifier: Apache-2.0
// spillway trace: a table of verbs, and what they have in common.
#include "tools/trace/trace.h"

#include <cxxabi.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "runtime/bytes.h"
#include "tools/command.h"

namespace spillway::tools {
namespace {

constexpr TraceVerb kVerbs[] = {
    {"summary", "what was allocated, moved and waited for, and which ranges moved most",
     declare_summary, summarise_trace},
    {"timeline", "memory over time against the budget, with what moved and waited, as text",
     declare_timeline, show_timeline},
    {"blame", "which kernels waited how long, and for which ranges", declare_blame, blame_trace},
    {"diff", "two runs side by side: which is better, and what changed", declare_diff, diff_traces},
    {"report", "a page with charts, for a browser", declare_report, report_traces},
    {"dump", "every event, as text or JSON lines", declare_dump, dump_trace},
    {"export", "for Perfetto, or as CSV", declare_export, export_trace},
};
int (*chosen)() = nullptr;

// One line on a terminal, while a file is read that takes longer than a moment.
class Progress {
 public:
  explicit Progress(const TraceReader& reader)
      : reader_(reader), shown_(isatty(2) && reader.bytes() > (64 << 20)) {}
  ~Progress() {
    if (shown_ && last_) fmt::print(stderr, "\r\x1b[K");
  }
  void step() {
    const uint64_t percent = shown_ ? 100 * reader_.bytes_read() / reader_.bytes() : 0;
    if (percent == last_) return;
    last_ = percent;
    fmt::print(stderr, "\rreading {:3}%", percent);
  }

 private:
  const TraceReader& reader_;
  const bool shown_;
  uint64_t last_ = 0;
};

// A few hundred characters that refer to each other are gigabytes when they are written out: each
// reference (S_, S1A_, T_) may double what is there. Of this many it takes a second at most.
constexpr std::ptrdiff_t kMostReferences = 40;
constexpr size_t kLongestName = 1000;

bool can_be_demangled(const std::string& name) {
  std::ptrdiff_t references = 0;
  for (size_t i = 0; i + 1 < name.size(); ++i) {
    if (name[i] != 'S' && name[i] != 'T') continue;
    const size_t end = name.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", i + 1);
    references += end != name.npos && name[end] == '_';
  }
  return references <= kMostReferences;
}

}  // namespace

void declare_trace(CLI::App& app) {
  app.require_subcommand(1);
  for (const TraceVerb& verb : kVerbs) {
    CLI::App* sub = app.add_subcommand(std::string(verb.name), std::string(verb.doc));
    verb.declare(*sub);
    sub->callback([&verb] { chosen = verb.run; });
  }
  app.footer("Record one with `spillway run --trace FILE -- program`.");
}

int run_trace() {
  return chosen();
}

void take_traces(CLI::App& app, std::vector<std::string>* paths) {
  app.add_option("trace", *paths, "trace files; several for the processes of one run")
      ->required()
      ->type_name("FILE");
}

void read_trace(const std::string& path,
                const std::function<void(const TraceReader&, const Record&)>& visit) {
  const std::string older = path + ".old";
  std::error_code none;
  uint64_t lost = 0;
  for (const std::string& part : {older, path}) {
    if (part == older && !std::filesystem::exists(older, none)) continue;
    TraceReader reader(part);
    Progress progress(reader);
    Record record;
    while (reader.next(&record)) {
      progress.step();
      if (const auto some = TraceReader::as<trace::Lost>(record)) lost += some->count;
      visit(reader, record);
    }
    if (reader.damaged_blocks())
      warn(fmt::format("{}: {} damaged, what is in them is missing", part,
                       reader.damaged_blocks() == 1 ? "a block is" : "blocks are"));
    if (reader.cut_short())
      warn(fmt::format("{}: ends within a block: the process was killed, or is still running",
                       part));
  }
  if (lost)
    warn(fmt::format("{}: {} events were lost: they came faster than they could be written", path,
                     lost));
}

History read_history(const std::string& path) {
  History history;
  read_trace(path,
             [&](const TraceReader& reader, const Record& record) { history.add(reader, record); });
  history.finish();
  return history;
}

std::string short_program(const History& history) {
  return harmless(std::filesystem::path(history.program).filename().string());
}

std::string title_of(const std::string& path, const History& history) {
  return fmt::format("{}: process {}, {}, policy {}", path, history.pid, short_program(history),
                     harmless(history.policy));
}

std::string value_text(const Record& record, size_t place) {
  const FieldInfo& field = record.kind->fields[place];
  const uint64_t number = record.numbers[place];
  switch (field.type) {
    case FieldInfo::Type::Bool:
      return number ? "yes" : "no";
    case FieldInfo::Type::Word:
      return number < field.words.size() ? field.words[number] : std::to_string(number);
    case FieldInfo::Type::Text:
      return harmless(record.text);
    case FieldInfo::Type::List:
      return fmt::format("[{}]", fmt::join(record.list, " "));
    case FieldInfo::Type::Number:
      break;
  }
  return field.name == "address" ? fmt::format("{:#x}", number) : with_unit(number, field.unit);
}

std::string harmless(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  return out;
}

std::string readable(const std::string& kernel) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> plain(
      can_be_demangled(kernel) ? abi::__cxa_demangle(kernel.c_str(), nullptr, nullptr, &status)
                               : nullptr,
      std::free);
  std::string text = harmless(plain ? plain.get() : kernel);
  if (text.size() > kLongestName) text = text.substr(0, kLongestName) + "…";
  if (!plain) return text;
  constexpr std::string_view kUnnamed = "(anonymous namespace)::";
  for (size_t at; (at = text.find(kUnnamed)) != text.npos;) text.erase(at, kUnnamed.size());
  // The parameters are the last parentheses outside of template arguments.
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    depth += text[i] == '<' ? 1 : text[i] == '>' ? -1 : 0;
    if (text[i] == '(' && depth == 0) {
      text.resize(i);
      break;
    }
  }
  if (text.starts_with("void ")) text.erase(0, 5);  // what a template of kernels returns
  return text;
}

std::string with_unit(uint64_t number, std::string_view unit) {
  if (unit == "B") return format_bytes(number);
  if (unit != "ns") return std::to_string(number);
  const double ns = static_cast<double>(number);
  if (ns < 1e4) return fmt::format("{} ns", number);
  if (ns < 1e7) return fmt::format("{:.1f} us", ns / 1e3);
  if (ns < 1e10) return fmt::format("{:.1f} ms", ns / 1e6);
  return fmt::format("{:.2f} s", ns / 1e9);
}

}  // namespace spillway::tools
