// SPDX-License-Identifier: Apache-2.0
// What `spillway replay` reads, and the words of its options.
#pragma once

#include <string>
#include <vector>

#include "policy/link.h"
#include "policy/workload.h"

namespace spillway::tools {

// A recorded trace, or a text of policy/WORKLOADS.md, told apart by their first bytes. Without
// iterations, all of it is one. Throws std::runtime_error with the file's name.
policy::Workload read_workload(const std::string& path);

// Throws the same where it would come to more pieces than a model has memory for: a file may say
// anything.
void check_pieces(const policy::Workload& workload, uint64_t piece_bytes);

// The greatest sum of buffers that are there at once.
uint64_t peak_bytes(const policy::Workload& workload);

struct Budget {
  std::string text;  // as it was written
  uint64_t bytes = 0;
};
// Sizes (12GiB), shares of the peak (50%) and how many times smaller than it (1.5x), with commas
// between them. Throws std::runtime_error, with what would be right.
std::vector<Budget> parse_budgets(const std::string& text, uint64_t peak);

// Throws the same.
uint64_t parse_piece(const std::string& text);

// The name of a known link, or its rates in GB/s: IN,OUT or IN,OUT,BOTH. Throws the same.
policy::Link parse_link(const std::string& text);

std::vector<std::string> split(const std::string& text, char separator = ',');

}  // namespace spillway::tools
