// SPDX-License-Identifier: Apache-2.0
#include "tools/trace/report/page.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

extern "C" const char spillway_report_page[], spillway_report_page_end[];  // page.S

namespace spillway::tools {
namespace {
constexpr std::string_view kPlace = "@@data@@";
}

std::string json_in_script(const nlohmann::ordered_json& json) {
  // ASCII only, so that no encoding matters, and no character by which HTML begins anything. These
  // are in strings only, where JSON knows them as numbers, too.
  const std::string text =
      json.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    if (c == '<')
      safe += "\\u003c";
    else if (c == '>')
      safe += "\\u003e";
    else if (c == '&')
      safe += "\\u0026";
    else
      safe += c;
  }
  return safe;
}

std::string report_page(const nlohmann::ordered_json& data) {
  const std::string_view page(spillway_report_page,
                              static_cast<size_t>(spillway_report_page_end - spillway_report_page));
  const size_t place = page.find(kPlace);
  if (place == page.npos) throw std::logic_error("the page has no place for its data");
  std::string out(page.substr(0, place));
  out += json_in_script(data);
  out += page.substr(place + kPlace.size());
  return out;
}

}  // namespace spillway::tools
