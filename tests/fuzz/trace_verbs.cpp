// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>

#include "tests/fuzz/fuzz.h"
#include "tools/command.h"
#include "tools/outline.h"
#include "tools/trace/reader.h"

namespace fuzz {
namespace {

using Words = std::vector<std::string>;

CLI::App& command() {
  static CLI::App app;
  static const bool declared = (spillway::tools::declare_trace(app), true);
  (void)declared;
  return app;
}

// Every verb once as text and, where it can, once as JSON; export in both formats.
const std::vector<Words>& lines() {
  static const std::vector<Words> all = [] {
    std::vector<Words> out;
    for (const auto& verb : spillway::tools::outline_of(command()).verbs) {
      if (verb.option("--perfetto") != nullptr) {
        out.push_back({verb.path, "--perfetto"});
        out.push_back({verb.path, "--csv", "launched"});
        continue;
      }
      if (verb.option("--json") == nullptr) continue;
      out.push_back({verb.path, "--json=false"});
      out.push_back({verb.path, "--json=true"});
    }
    return out;
  }();
  return all;
}

}  // namespace

void trace_verbs(Input input) {
  const InMemory file(input);
  for (Words line : lines()) {
    line.push_back(file.path());
    std::ranges::reverse(line);  // as CLI11 wants it
    try {
      command().parse(std::move(line));
      spillway::tools::run_trace();
    } catch (const std::bad_alloc&) {
      hold(false, "a small file does not take all memory");
    } catch (const std::exception&) {  // no trace, and said so: as main() does
    }
  }
}

}  // namespace fuzz
