// SPDX-License-Identifier: Apache-2.0
// What the page of `spillway trace report` is made from: the histories as JSON, thinned out so that
// a page stays small whatever the trace. report/*.js draw it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tools/trace/history.h"

namespace spillway::tools {

struct Detail {
  size_t points = 400;  // of a chart over time, at most
  size_t ranges = 16;   // that are shown one by one
  size_t kernels = 16;
};

// `files`: their names, for each history.
nlohmann::ordered_json report_data(const std::vector<std::string>& files,
                                   const std::vector<History>& histories, const Detail& detail);

}  // namespace spillway::tools
