// SPDX-License-Identifier: Apache-2.0
// Memory over time as a picture of characters, for a terminal.
#pragma once

#include <string>

#include "tools/trace/history.h"

namespace spillway::tools {

// Columns of the terminal that standard output is; else of COLUMNS; else 80.
size_t terminal_width();

// Lines, each ended: what is on the device, what is evicted above it, and the budget as a line.
// No line is wider than `width` columns.
std::string memory_chart(const History& history, size_t width, size_t height);

}  // namespace spillway::tools
