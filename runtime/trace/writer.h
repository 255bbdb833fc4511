// SPDX-License-Identifier: Apache-2.0
// The file of a trace. A thread of ours empties the rings into it about ten times a second, in
// blocks that are each compressed and checked (FORMAT.md): what a killed process leaves is readable
// up to the last whole block. 0600, no symlink followed; when it cannot be written any more, one
// log line says why and the job goes on without.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/option_types.h"

namespace spillway::trace {

struct Target {
  std::string path;    // expanded
  uint64_t limit = 0;  // bytes on disk; with TraceKeep::Last half of them are in `path`.old
  TraceKeep keep = TraceKeep::Last;
  std::string about;  // JSON members for the head, as in "\"pid\": 1"
};

// Begins to record. False, with a log line: the file cannot be made.
bool start(const Target& target) noexcept;
// Writes what there is and records no more. Safe to call when nothing was started.
void stop() noexcept;
// In a forked child: file and rings are the parent's. The caller forgets its own ring.
void forget_in_child() noexcept;

}  // namespace spillway::trace
