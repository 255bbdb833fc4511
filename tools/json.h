// SPDX-License-Identifier: Apache-2.0
// JSON as it is printed. Paths and names may hold any bytes, JSON may not: others are replaced.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace spillway::tools {

// `indent`: -1 is one line.
inline std::string text_of(const nlohmann::ordered_json& json, int indent = 2) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace spillway::tools
