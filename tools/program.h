// SPDX-License-Identifier: Apache-2.0
// What can be known of a program before it is started: where it is, and whether the loader would
// preload anything into it.
#pragma once

#include <string>
#include <string_view>

namespace spillway::tools {

struct Located {
  std::string path;  // empty: `failure` says why, and `status` is what to exit with
  std::string failure;
  int status = 0;
};
// As execvp() searches: a name with a slash is a path, any other is looked for in PATH.
Located locate(std::string_view name);

// Why a preloaded library would not get into this program, as a sentence; empty when it would.
// Scripts are followed to their interpreters.
std::string why_not_preloaded(const std::string& path);

// Whether the file is a shared object that a program of this machine can load.
bool loadable_here(const std::string& path);

}  // namespace spillway::tools
