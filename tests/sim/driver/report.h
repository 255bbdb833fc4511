// SPDX-License-Identifier: Apache-2.0
// The JSON report that SIMCUDA_REPORT asks for, written when the process ends. Each part of the
// simulator contributes one section, so the report knows nothing of the parts.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string_view>

namespace sim {

// One static object a section; the name is the key in the report's top-level object.
//   const ReportSection section("clock", [] { return nlohmann::json{...}; });
class ReportSection {
 public:
  using Make = nlohmann::json (*)();
  ReportSection(const char* name, Make make);

 private:
  friend void write_report();
  const char* name_;
  Make make_;
  const ReportSection* next_;
};

// One line on stderr, "simcuda: " before it.
void complain(std::string_view text);

}  // namespace sim
