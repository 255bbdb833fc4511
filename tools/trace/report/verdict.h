// SPDX-License-Identifier: Apache-2.0
// What a trace comes to, in sentences: for the head of the report.
#pragma once

#include <string>
#include <vector>

#include "tools/trace/history.h"

namespace spillway::tools {

// One sentence: did memory slow this process down, how much, and why.
std::string headline_of(const History& history);
// Of several processes: the sentence of the one that waits longest, and which it is.
std::string headline_of(const std::vector<History>& histories);
// What is worth knowing next, the most important first; may be empty.
std::vector<std::string> findings_of(const History& history);

// Of each of several processes: "rank 3", or "process 4711" where ranks do not tell them apart.
std::vector<std::string> names_of(const std::vector<History>& histories);

}  // namespace spillway::tools
