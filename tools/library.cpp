// SPDX-License-Identifier: Apache-2.0
#include "tools/library.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "tools/program.h"

namespace spillway::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVariable = "SPILLWAY_LIBRARY";
constexpr const char* kName = "libspillway.so";

}  // namespace

Library find_library() {
  std::vector<fs::path> candidates;
  const char* named = std::getenv(kVariable);
  if (named != nullptr && *named != '\0') {
    candidates.emplace_back(named);
  } else {
    const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
    candidates = {here / kName, here.parent_path() / "lib" / kName};
  }
  std::vector<std::string> looked;
  for (const fs::path& candidate : candidates) {
    looked.push_back(candidate);
    std::error_code failure;
    const fs::path path = fs::canonical(candidate, failure);
    if (failure) continue;
    if (!loadable_here(path))
      return {"", path.string() + " is not a shared library for this machine"};
    if (path.string().find_first_of(": \t\n") != std::string::npos)
      return {"", fmt::format("the loader cannot preload \"{}\": LD_PRELOAD has no way to write a "
                              "colon or a space. Set {} to a copy elsewhere",
                              path.string(), kVariable)};
    return {path, ""};
  }
  return {"", fmt::format("there is no {}: build it with `make`, or set {} to the library",
                          fmt::join(looked, " or "), kVariable)};
}

}  // namespace spillway::tools
