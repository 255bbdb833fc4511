// SPDX-License-Identifier: Apache-2.0
// The live pages of this user's jobs (runtime/trace/live_page.h), read with distrust: regular files
// of this user, 0600, of the right size, and numbers whatever they say.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace spillway::tools {

struct LiveJob {
  uint64_t pid = 0, began = 0, updated = 0;  // ns of CLOCK_MONOTONIC
  std::string program, policy, rank;
  std::map<std::string, uint64_t> figures;
};

// By process id. Pages of processes that are gone are removed.
std::vector<LiveJob> live_jobs();

}  // namespace spillway::tools
