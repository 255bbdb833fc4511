// SPDX-License-Identifier: Apache-2.0
#include "tests/support/place.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace support {
namespace {

namespace fs = std::filesystem;

#ifdef SUPPORT_SANITIZER_RUNTIME
constexpr const char* kSanitizerRuntime = SUPPORT_SANITIZER_RUNTIME;
constexpr int kSlowness = 12;
#else
constexpr const char* kSanitizerRuntime = "";
constexpr int kSlowness = 1;
#endif

// What a process needs from its surroundings whatever is tested.
constexpr const char* kInherited[] = {"PATH",         "HOME",          "TMPDIR",
                                      "TSAN_OPTIONS", "UBSAN_OPTIONS", "CUDA_VISIBLE_DEVICES"};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

fs::path build_directory() {
  static const fs::path path = fs::read_symlink("/proc/self/exe").parent_path().parent_path();
  return path;
}

std::string program(const std::string& name) {
  return build_directory() / "programs" / name;
}

std::string library() {
  return build_directory() / "libspillway.so";
}

Environment plain(Gpu gpu) {
  Environment environment;
  for (const char* name : kInherited) {
    if (std::getenv(name) != nullptr) environment[name] = variable(name);
  }
  // Kernels and copies meet real faults, which the simulator's own handler answers. What is leaked
  // on purpose outlives exit, and the leak checker cannot trace processes in most containers.
  const std::string asan = variable("ASAN_OPTIONS");
  environment["ASAN_OPTIONS"] =
      "detect_leaks=0:allow_user_segv_handler=1" + (asan.empty() ? "" : ":" + asan);
  switch (gpu) {
    case Gpu::Simulated:
      environment["LD_LIBRARY_PATH"] = build_directory() / "sim";
      break;
    case Gpu::Installed:
      if (!variable("LD_LIBRARY_PATH").empty()) {
        environment["LD_LIBRARY_PATH"] = variable("LD_LIBRARY_PATH");
      }
      break;
  }
  return environment;
}

Environment interposed(Gpu gpu) {
  Environment environment = plain(gpu);
  const std::string runtime = kSanitizerRuntime;
  environment["LD_PRELOAD"] = (runtime.empty() ? "" : runtime + ":") + library();
  return environment;
}

int slowness() {
  return kSlowness;
}

TemporaryFile::TemporaryFile(const std::string& suffix) {
  static std::atomic<unsigned> count{0};
  path_ = fs::temp_directory_path() /
          ("spillway-test-" + std::to_string(getpid()) + "-" + std::to_string(count++) + suffix);
}

TemporaryFile::~TemporaryFile() {
  std::error_code ignored;
  fs::remove(path_, ignored);
}

std::string TemporaryFile::text() const {
  std::ostringstream text;
  text << std::ifstream(path_).rdbuf();
  return text.str();
}

}  // namespace support
