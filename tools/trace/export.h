// SPDX-License-Identifier: Apache-2.0
// The formats of `spillway trace export`, one file each. All throw TraceError, or std::system_error
// when the output cannot be written.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "tools/trace/trace.h"

namespace spillway::tools {

void export_perfetto(const std::vector<std::string>& paths, std::FILE* out);
// Every event, a JSON object a line: time, slot, kind, then its fields.
void export_json(const std::vector<std::string>& paths, std::FILE* out);
// One kind of event as a table: time, slot and a column for each field.
void export_csv(const std::vector<std::string>& paths, const std::string& kind, std::FILE* out);

}  // namespace spillway::tools
