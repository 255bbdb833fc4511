// SPDX-License-Identifier: Apache-2.0
// The library itself, and who else stands between a program and its driver.
#include <fmt/format.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tools/doctor/aside.h"
#include "tools/doctor/doctor.h"
#include "tools/library.h"

namespace spillway::tools {
namespace {

struct Neighbour {
  std::string_view begins;  // a library's file name
  const char* name;
  const char* advice;  // null: it gets along
};
constexpr const char* kServesToo =
    "it serves or limits device memory itself: use it or Spillway, not both";
constexpr const char* kWatches = "it sees Spillway's calls beside the program's; slower, but works";
constexpr const char* kInjection = "CUDA_INJECTION64_PATH";
constexpr Neighbour kNeighbours[] = {
    {"libspillway.so", "Spillway itself", nullptr},  // the first
    {"libvgpu.so", "HAMi", kServesToo},
    {"libnvshare.so", "nvshare", kServesToo},
    {"libcuda-control.so", "GaiaGPU (vcuda)", kServesToo},
    {"libgemhook.so", "Gemini (KubeShare)", kServesToo},
    {"torch_memory_saver", "torch_memory_saver", kServesToo},
    {"libshimcuda.so", "XSched", kWatches},
    {"libpreempt.so", "XSched", kWatches},
    {"libsanitizer", "compute-sanitizer", kWatches},
    {"libTreeLauncher", "compute-sanitizer", kWatches},
    {"libInterceptorInjection", "compute-sanitizer", kWatches},
    {"libToolsInjection", "Nsight Systems", kWatches},
    {"libcupti", "a CUPTI tool", kWatches},
};

struct Found {
  std::string file, from;
};

void add_entries(const std::string& list, const std::string& from, const char* separators,
                 std::vector<Found>* found) {
  for (size_t begin = 0; (begin = list.find_first_not_of(separators, begin)) != list.npos;) {
    const size_t end = std::min(list.find_first_of(separators, begin), list.size());
    found->push_back({list.substr(begin, end - begin), from});
    begin = end;
  }
}

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::vector<Found> preloaded() {
  std::vector<Found> found;
  add_entries(variable("LD_PRELOAD"), "LD_PRELOAD", ": \t\n", &found);
  std::ostringstream text;
  text << std::ifstream("/etc/ld.so.preload").rdbuf();
  add_entries(text.str(), "/etc/ld.so.preload", ": \t\n", &found);
  for (const char* name : {kInjection, "LD_AUDIT"}) add_entries(variable(name), name, ":", &found);
  return found;
}

// The pipe of a server that is running, or was.
std::string mps_pipe() {
  std::string folder = variable("CUDA_MPS_PIPE_DIRECTORY");
  if (folder.empty()) folder = "/tmp/nvidia-mps";
  struct stat info {};
  return stat((folder + "/control").c_str(), &info) == 0 ? folder : "";
}

void add(Row* row, const std::string& text, const char* advice) {
  row->text += (row->text.empty() ? "" : "; ") + text;
  if (advice == nullptr) return;
  row->health = Health::Warn;
  row->advice += (row->advice.empty() ? "" : "; ") + std::string(advice);
}

}  // namespace

Row neighbours_row() {
  Row row{.topic = "neighbours"};
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Found& each : preloaded()) {
    const std::string file = std::filesystem::path(each.file).filename();
    const Neighbour* known = nullptr;
    for (const Neighbour& neighbour : kNeighbours)
      if (file.starts_with(neighbour.begins)) known = &neighbour;
    const char* advice = known ? known->advice : nullptr;
    if (known == kNeighbours && each.from == kInjection)
      advice = "injected, Spillway comes too late: `spillway run`, or LD_PRELOAD";
    add(&row, fmt::format("{} ({}, {})", file, known ? known->name : "not known here", each.from),
        advice);
    list.push_back({{"file", each.file}, {"from", each.from}, {"name", known ? known->name : ""}});
  }
  const std::string mps = mps_pipe();
  if (!mps.empty())
    add(&row, "an MPS server at " + mps,
        "MPS clients share the device: give each a SPILLWAY_DEVICE_LIMIT so that they fit "
        "together");
  const std::string visible = variable("CUDA_VISIBLE_DEVICES");
  if (visible.starts_with("MIG-")) add(&row, "CUDA_VISIBLE_DEVICES names a MIG slice", nullptr);
  if (row.text.empty()) row.text = "nothing else is preloaded or injected";
  row.facts = {{"libraries", list}, {"mps", mps}, {"cuda_visible_devices", visible}};
  return row;
}

// By loading it as `run` does, into this very command: the loader says on stderr what it refuses.
Row library_row(std::chrono::milliseconds patience) {
  Row row{.topic = "library", .health = Health::Fail};
  const Library library = find_library();
  row.facts = {{"path", library.path}};
  if (library.path.empty()) {
    row.text = library.failure;
    row.advice = "build it with `make`, and keep it beside this command or in ../lib";
    return row;
  }
  std::string said;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const std::string before = variable("LD_PRELOAD");
  const Aside aside = run_program_aside(
      patience, {self, "--version"},
      {"LD_PRELOAD=" + (before.empty() ? "" : before + ":") + library.path}, &said);
  const bool answers = said.starts_with("spillway ");
  row.facts["loads"] = aside.in_time && aside.status == 0 && answers;
  if (row.facts["loads"]) {
    row.health = Health::Ok;
    row.text = library.path + " loads";
  } else {
    row.text = fmt::format("{} does not load: {}", library.path,
                           !aside.in_time ? "the program hangs"
                           : aside.signal ? strsignal(aside.signal)
                           : said.empty() ? fmt::format("exit status {}", aside.status)
                                          : said.substr(0, said.find('\n')));
    row.advice = "build it again on this machine, with its own compiler and C library";
  }
  return row;
}

}  // namespace spillway::tools
