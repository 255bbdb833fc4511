// SPDX-License-Identifier: Apache-2.0
// The page of `spillway trace report`: page.html with everything it needs inside, which the build
// puts together and into this binary (CMakeLists.txt), and the data at the place for it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace spillway::tools {

// JSON that cannot end the <script> that it stands in, whatever is in its strings.
std::string json_in_script(const nlohmann::ordered_json& json);

std::string report_page(const nlohmann::ordered_json& data);

}  // namespace spillway::tools
