// SPDX-License-Identifier: Apache-2.0
// What the doctor says: rows, each with what to do next where something is to be done.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace spillway::tools {

enum class Health { Ok, Warn, Fail };

struct Row {
  std::string topic{};  // "driver", "link"
  int device = -1;      // -1: of the machine
  Health health = Health::Ok;
  std::string text{};
  std::string advice{};                                             // empty: nothing to do
  nlohmann::ordered_json facts = nlohmann::ordered_json::object();  // for programs

  std::string name() const;  // "link 0"
};

nlohmann::ordered_json json_of(const Row& row);
Row row_from(const nlohmann::ordered_json& json);

using Rows = std::vector<Row>;
// Null: there is no such row.
const Row* find_row(const Rows& rows, std::string_view topic, int device = -1);
size_t count(const Rows& rows, Health health);
// One line: what follows from all rows.
std::string verdict(const Rows& rows);

void print_text(const Rows& rows);
void print_json(const Rows& rows);

}  // namespace spillway::tools
