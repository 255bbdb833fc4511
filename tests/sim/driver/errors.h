// SPDX-License-Identifier: Apache-2.0
// Names and texts of CUresult values. errors.def is the list.
#pragma once

#include <cuda.h>

#include <string_view>

namespace sim {

const char* error_name(CUresult error);  // null: no such value
const char* error_text(CUresult error);
bool parse_error(std::string_view text, CUresult* out);  // by name or number

}  // namespace sim
