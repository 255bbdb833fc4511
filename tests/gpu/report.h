// SPDX-License-Identifier: Apache-2.0
// What a probe says: one JSON object per line on stdout, flushed at once, so that a crash loses
// nothing that was measured before it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace probe {

using nlohmann::json;

struct Summary {  // of a set of measurements, in their own unit
  double min = 0, p10 = 0, median = 0, p90 = 0, p99 = 0, max = 0;
};
Summary summarize(std::vector<double> values);  // not empty

// How a question came out, and what that decides in the design.
struct Verdict {
  std::string answer;   // one sentence with the numbers
  std::string meaning;  // which design switch follows from it
};

enum class Status { Ok, Unsupported, Failed };

class Report {
 public:
  explicit Report(std::string probe) : probe_(std::move(probe)) {}
  // `where` tells apart measurements of one name: {"bytes": 2097152, "memory": "device"}.
  Summary sample(const char* name, const char* unit, std::vector<double> values,
                 json where = json::object());
  void fact(const std::string& name, json value);
  void end(Status status, const Verdict& verdict, double seconds);

 private:
  void line(json object);
  std::string probe_;
};

}  // namespace probe
