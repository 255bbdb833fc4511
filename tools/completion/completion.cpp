// SPDX-License-Identifier: Apache-2.0
// spillway completion: a table of shells.
#include "tools/completion/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "tools/command.h"

namespace spillway::tools {
namespace {

struct Shell {
  const char* name;
  std::string (*script)(const Outline& root);
};
constexpr Shell kShells[] = {
    {"bash", completion_for_bash}, {"zsh", completion_for_zsh}, {"fish", completion_for_fish}};

const CLI::App* self = nullptr;
std::string chosen;

}  // namespace

std::string brief(std::string_view doc) {
  size_t end = doc.size();
  for (const std::string_view stop : {". ", "; ", ": "}) end = std::min(end, doc.find(stop));
  std::string text(doc.substr(0, end));
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

void declare_completion(CLI::App& app) {
  self = &app;
  std::vector<std::string> names;
  for (const Shell& shell : kShells) names.emplace_back(shell.name);
  app.add_option("SHELL", chosen, "whose")->required()->check(CLI::IsMember(names));
  app.footer(
      "bash: eval \"$(spillway completion bash)\" in ~/.bashrc\n"
      "zsh: spillway completion zsh >_spillway in a folder of $fpath\n"
      "fish: spillway completion fish >~/.config/fish/completions/spillway.fish");
}

int print_completion() {
  for (const Shell& shell : kShells)
    if (chosen == shell.name) fmt::print("{}", shell.script(outline_of(*self->get_parent())));
  return 0;
}

}  // namespace spillway::tools
