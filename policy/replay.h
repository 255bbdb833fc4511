// SPDX-License-Identifier: Apache-2.0
// A job against a policy in modelled time: the job's thread, which runs ahead of the GPU, one
// stream, the thread that remaps, and the two directions of the link. What the engine does at which
// of the job's calls, it does here; what it loses to remapping and rounding, this loses too.
#pragma once

#include <cstdint>
#include <vector>

#include "policy/policy.h"
#include "policy/workload.h"

namespace spillway::policy {

struct Machine {
  Link link;
  uint64_t capacity = 0;            // of the device, in bytes
  uint64_t piece_bytes = 64 << 20;  // ranges move in pieces of at most this
  double move_ns = 75'000;          // of the thread that remaps, for each piece and way
  double launch_ns = 2'500;         // of the job's thread, for a launch
  size_t ahead = 1'024;             // launches that a stream holds before the job's thread waits
  bool on_demand = false;  // nothing moves before the GPU has come to the launch that needs it
};

struct Replayed {
  struct Lap {
    double ns = 0;
    uint64_t in_bytes = 0, out_bytes = 0;
    double data_ns = 0, room_ns = 0;  // the GPU stood still: for data, for room to put it in
  };
  double ns = 0;          // of the whole job
  std::vector<Lap> laps;  // from each iteration mark to the next
  bool done = true;       // false: what one launch uses does not fit
};

Replayed replay(const Workload& workload, Policy& policy, const Machine& machine);

}  // namespace spillway::policy
