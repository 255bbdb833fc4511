// SPDX-License-Identifier: Apache-2.0
// The summary at exit, for people or as JSON (SPILLWAY_SUMMARY).
#pragma once

#include <span>
#include <string>

#include "runtime/engine.h"

namespace spillway {

// A figure of the run so far: of the summary at exit and of the live page.
struct SummaryField {
  const char* name;
  uint64_t (*value)(Engine&);  // takes no lock
};
std::span<const SummaryField> summary_fields();

// JSON object with the fields of kSummaryFields (summary.cpp), one line.
std::string summary_json(Engine& engine);
std::string summary_line(Engine& engine);
// Registers it with atexit; a forked child writes none. Calls nothing of CUDA.
void write_summary_at_exit(Engine& engine);
// True from the first exit handler on.
bool process_exiting() noexcept;

}  // namespace spillway
