// SPDX-License-Identifier: Apache-2.0
// Programmatic dependent launch: a kernel may begin while the one before it in its stream still
// runs, once all blocks of that one have said so (griddepcontrol.launch_dependents) or are done. In
// virtual time it begins behind it all the same.
#pragma once

#include <cuda.h>

#include <atomic>
#include <memory>

#include "tests/sim/driver/node.h"

namespace sim {

// How far a kernel is. Whoever runs it writes, anybody reads.
struct Progress {
  std::atomic<bool> begun{false}, triggered{false}, done{false};
  std::shared_ptr<Progress> before;  // what griddepcontrol.wait waits for; null: nothing
};

// While it lives, this thread runs a kernel with this progress (null: one that nobody looks at).
class ProgressScope {
 public:
  explicit ProgressScope(Progress* progress);
  ~ProgressScope();
  ProgressScope(const ProgressScope&) = delete;
  ProgressScope& operator=(const ProgressScope&) = delete;
};

// What device code asks for, on the thread that runs its grid.
void launch_dependents();
bool dependency_done();

// An event that a launch attribute names: recorded at the trigger, or when the blocks have begun.
struct LaunchEvent {
  EventPtr event;
  bool at_begin = false;
};

// A checked launch, in its stream or its capture.
CUresult submit_kernel(Stream* stream, KernelNode node, const std::vector<LaunchEvent>& events);

}  // namespace sim
