// SPDX-License-Identifier: Apache-2.0
// The frameworks of the python3 on PATH, found by their metadata and not imported, and the switches
// of runtime/presets.def that each gets.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/presets.h"
#include "tools/doctor/aside.h"
#include "tools/doctor/doctor.h"
#include "tools/program.h"

namespace spillway::tools {
namespace {

struct Framework {
  const char* name;
  std::vector<const char*> distributions;
  std::vector<std::string_view> groups;  // of the presets
  const char* otherwise;                 // what to know when there is no switch
};
const Framework kFrameworks[] = {
    {"PyTorch", {"torch"}, {"PyTorch"}, ""},
    {"JAX", {"jax"}, {"JAX"}, ""},
    {"TensorFlow", {"tensorflow", "tensorflow-gpu", "tf-nightly"}, {"TensorFlow"}, ""},
    {"CuPy",
     {"cupy", "cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x"},
     {},
     "has no switch: cupy.cuda.set_allocator(cupy.cuda.malloc_async) in the program"},
    {"NCCL",
     {"nvidia-nccl-cu11", "nvidia-nccl-cu12", "nvidia-nccl-cu13"},
     {"NCCL", "NCCL in graphs"},
     ""},
};

// -I: neither the folder it is started in nor the user's variables decide what runs.
constexpr const char* kScript = R"(
import sys, json
import importlib.metadata as metadata
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except Exception:
        pass
print("spillway:" + json.dumps({"version": sys.version.split()[0], "found": found}))
)";

nlohmann::json ask(const std::string& python, std::chrono::milliseconds patience,
                   std::string* failure) {
  std::vector<std::string> words = {python, "-I", "-c", kScript};
  for (const Framework& framework : kFrameworks)
    words.insert(words.end(), framework.distributions.begin(), framework.distributions.end());
  std::string said;
  const Aside aside = run_program_aside(patience, words, {}, &said);
  constexpr std::string_view kMark = "spillway:";
  const size_t answer = said.find(kMark);
  if (answer != said.npos) {
    const size_t begin = answer + kMark.size();
    auto json =
        nlohmann::json::parse(said.substr(begin, said.find('\n', begin) - begin), nullptr, false);
    if (json.is_object() && json.contains("found")) return json;
  }
  *failure = aside.in_time ? "does not answer: " + said.substr(0, said.find('\n'))
                           : "does not answer in time";
  return nullptr;
}

// Adds what a group of presets does to the row.
void add_group(std::string_view group, const Config& config, Row* row) {
  std::vector<const Preset*> presets;
  for (const Preset& preset : spillway::presets())
    if (preset.group == group) presets.push_back(&preset);
  const auto users = [](const Preset* preset) { return find_variable(environ, preset->variable); };
  const auto chosen = std::ranges::find_if(
      presets, [&users](const Preset* preset) { return users(preset) != nullptr; });
  const auto add = [row](const std::string& text) {
    row->text += (row->text.empty() ? "" : ", ") + text;
  };
  if (chosen == presets.end() && !(config.enable && config.presets)) return;
  for (const Preset* preset : presets) {
    const char* const value = users(preset);
    if (chosen == presets.end()) {
      add(fmt::format("{}={}", preset->variable, preset->value));
      row->facts["sets"][preset->variable] = preset->value;
    } else if (value != nullptr) {
      add(fmt::format("{}={} is yours", preset->variable, value));
      row->facts["set_already"][preset->variable] = value;
      if (std::string_view(value) == preset->value) continue;
      row->health = Health::Warn;
      row->advice =
          fmt::format("Spillway would say {}={}: {}", preset->variable, preset->value, preset->why);
    }
  }
}

Row row_of(const Framework& framework, const std::string& version, const Config& config) {
  Row row{.topic = framework.name};
  row.facts = {{"version", version},
               {"sets", nlohmann::ordered_json::object()},
               {"set_already", nlohmann::ordered_json::object()}};
  for (const std::string_view group : framework.groups) add_group(group, config, &row);
  if (row.text.empty())
    row.text = framework.groups.empty() ? framework.otherwise
                                        : "is left as it is (SPILLWAY_PRESETS or SPILLWAY_ENABLE)";
  row.text = fmt::format("{}: {}", version, row.text);
  return row;
}

}  // namespace

Rows framework_rows(const Config& config, std::chrono::milliseconds patience) {
  Row python{.topic = "python"};
  const Located located = locate("python3");
  python.facts = {{"path", located.path}};
  if (located.path.empty()) {
    python.text = "there is no python3 on PATH, so no frameworks were looked for";
    return {python};
  }
  std::string failure;
  const nlohmann::json answer = ask(located.path, patience, &failure);
  if (answer.is_null()) {
    python.health = Health::Warn;
    python.text = located.path + " " + failure;
    python.advice = "frameworks were not looked for; does `python3 -I -c 1` work?";
    return {python};
  }
  Rows rows;
  for (const Framework& framework : kFrameworks)
    for (const char* distribution : framework.distributions)
      if (answer.at("found").contains(distribution)) {
        rows.push_back(row_of(framework, answer.at("found").value(distribution, "?"), config));
        break;
      }
  const std::string version = answer.value("version", "?");
  python.facts["version"] = version;
  python.text = fmt::format("{} {}{}", located.path, version,
                            rows.empty() ? ", without PyTorch, JAX, TensorFlow, CuPy or NCCL" : "");
  rows.insert(rows.begin(), python);
  return rows;
}

}  // namespace spillway::tools
