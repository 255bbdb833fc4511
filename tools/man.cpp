// SPDX-License-Identifier: Apache-2.0
// spillway man: the manual page, from the tables that the command itself is made of.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "runtime/config.h"
#include "tools/command.h"
#include "tools/completion/completion.h"
#include "tools/outline.h"

namespace spillway::tools {
namespace {

struct Entry {
  const char* what;
  const char* doc;
};
constexpr Entry kFiles[] = {
    {"libspillway.so",
     "What `spillway run` preloads: beside the command, in ../lib, or where SPILLWAY_LIBRARY "
     "says."},
    {"FILE, FILE.old",
     "A trace, as SPILLWAY_TRACE names it, and its older half where it has outgrown its limit."},
    {"FILE.PID", "The trace of another process that was told the same name."},
};
constexpr Entry kExamples[] = {
    {"spillway run -- python train.py", "The budget is 95% of the device."},
    {"spillway run --device-limit 12GiB --summary stderr -- ./train",
     "Another budget, and one line at the end about what moved."},
    {"spillway run --trace run.trace -- ./train; spillway trace blame run.trace",
     "Which kernels waited, and for what."},
    {"spillway doctor", "Whether all that works here, and how fast the link is."},
};

const CLI::App* self = nullptr;

// Text as roff takes it: no escapes, no requests, hyphens that can be copied.
std::string plain(std::string_view text) {
  std::string out;
  bool open = false;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '`')
      out += std::exchange(open, !open) ? "\\(cq" : "\\(oq";
    else if (c == '\n')
      out += "\n.br\n";
    else
      out += c;
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

void title(std::string_view text) {
  fmt::print(".SH {}\n", text);
}
void paragraph(std::string_view text) {
  fmt::print(".PP\n{}\n", plain(text));
}
void entry(std::string_view what, std::string_view doc) {
  fmt::print(".TP\n.B {}\n{}\n", plain(what), plain(doc));
}
std::string sentence(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 32);
  return text.ends_with('.') ? text : text + ".";
}

void print_options(const Outline& verb) {
  for (const OutlineOption& option : verb.options) {
    if (option.flags.size() && option.flags.back() == "--help") continue;
    std::string name = fmt::format("{}", fmt::join(option.flags, ", "));
    if (!option.name.empty()) name += (name.empty() ? "" : " ") + option.name;
    if (option.by_place() && option.repeats) name += "...";
    std::string doc = sentence(option.doc);
    if (!option.fallback.empty()) doc += " Default: " + option.fallback + ".";
    entry(name, doc);
  }
}

void print_verbs(const Outline& root) {
  each_verb(root, [](const Outline& verb) {
    if (!verb.verbs.empty()) return;  // the verbs under it are told
    fmt::print(".SS {}\n", plain(verb.usage()));
    fmt::print("{}\n", plain(sentence(verb.doc)));
    print_options(verb);
    if (!verb.footer.empty()) paragraph(verb.footer);
  });
}

void print_environment() {
  for (const OptionInfo& option : options()) {
    std::string doc(option.doc);
    const std::string syntax = option.syntax();
    doc += syntax.starts_with("one of ") ? " O" + syntax.substr(1) + "." : "";
    doc += option.fallback.empty() ? "" : " Default: " + std::string(option.fallback) + ".";
    entry(option.env, doc);
  }
}

}  // namespace

void declare_man(CLI::App& app) {
  self = &app;
  app.footer("To install it: spillway man >/usr/local/share/man/man1/spillway.1");
}

int print_man() {
  const Outline root = outline_of(*self->get_parent());
  fmt::print(".TH SPILLWAY 1 \"\" \"spillway {}\" \"User Commands\"\n", SPILLWAY_VERSION);
  title("NAME");
  fmt::print("spillway \\- CUDA programs that use more memory than the GPU has\n");
  title("SYNOPSIS");
  for (const Outline& verb : root.verbs) fmt::print(".B {}\n.br\n", plain(verb.usage()));
  title("DESCRIPTION");
  paragraph(root.doc);
  paragraph(
      "A library is loaded into the program, which needs no change. It serves large allocations at "
      "addresses that never change, moves what was not used lately to pinned host memory, and "
      "brings it back before a kernel needs it.");
  title("VERBS");
  print_verbs(root);
  title("ENVIRONMENT");
  paragraph("Each is an option of `spillway run` too, which wins.");
  print_environment();
  title("EXIT STATUS");
  for (const ExitStatus& row : kExitStatuses)
    entry(row.status, row.verb.empty() ? sentence(std::string(row.meaning))
                                       : fmt::format("`{}`: {}.", row.verb, row.meaning));
  title("FILES");
  for (const Entry& row : kFiles) entry(row.what, row.doc);
  title("EXAMPLES");
  for (const Entry& row : kExamples) entry(row.what, row.doc);
  title("SEE ALSO");
  fmt::print(".BR ld.so (8),\n.BR nvidia\\-smi (1)\n");
  return 0;
}

}  // namespace spillway::tools
