// SPDX-License-Identifier: Apache-2.0
// A random program as data: what it allocates and, phase by phase, what each of its host threads
// does. It depends on the seed alone, never on an answer of the driver.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "tests/random/operations.h"
#include "tests/random/things.h"

namespace random_program {

// Graphs: nodes are operations of the kinds below, `after` are indices of earlier nodes.
struct Nothing {};
struct Node;
struct Child {
  std::vector<Node> nodes;
};
// Bodies of which one runs if a word says so, or for as many rounds as it says. Kernels read the
// word.
enum class Branch { If, IfElse, Switch, While };
struct Conditional {
  Branch branch = Branch::If;
  Access word;
  uint32_t salt = 0;
  std::vector<std::vector<Node>> bodies;  // the nodes of each run one after the other
};
// A kernel node that a kernel just before it changes, by what a word says.
struct Updatable {
  Launch launch;
  Access word;
  uint32_t salt = 0;
};
struct GraphAllocate {
  int buffer = 0;
  size_t bytes = 0;
};
struct GraphFree {
  int buffer = 0;
  size_t bytes = 0;
};
using NodeWork = std::variant<Launch, Set, Copy, HostFunction, Nothing, Record, WaitEvent, Child,
                              Conditional, Updatable, GraphAllocate, GraphFree>;
struct Node {
  NodeWork work;
  std::vector<int> after;
  int lane = 0;  // captured graphs: on which of the two streams
};
enum class Building { Captured, ByHand };
struct MakeGraph {
  int graph = 0;
  Building building = Building::ByHand;
  int capture_mode = 0;  // CUstreamCaptureMode
  int second_stream = -1;
  std::vector<Node> nodes;
};
// The whole graph again, same shape and other arguments; or single nodes of it.
struct UpdateGraph {
  int graph = 0;
  bool whole = false;
  int second_stream = -1;
  std::vector<Node> nodes;  // all of them, new
  std::vector<int> changed;
};
struct LaunchGraph {
  int graph = 0;
};
struct DropGraph {
  int graph = 0;
};

struct Checkpoint {
  std::vector<int> buffers;
};  // hash these now, with nothing in flight

using Work = std::variant<MakeContext, DropContext, PeerAccess, Allocate, Release, Launch, Set,
                          Copy, HostFill, HostCheck, HostFunction, WriteValue, StoreAddresses,
                          MakeTexture, DropTexture, Record, WaitEvent, HostWait, Ask, MakeGraph,
                          UpdateGraph, LaunchGraph, DropGraph, Checkpoint>;

struct Operation {
  int stream = 0;           // where it has one; its context is the current one in any case
  bool per_thread = false;  // by the _ptsz/_ptds symbols, with a null stream
  Work work;
};

// The threads of a phase run at once; phases follow each other.
struct Phase {
  std::vector<std::vector<Operation>> threads;
};

struct Plan {
  uint64_t seed = 0;
  int threads = 1;
  int devices = 1;
  int compute = 90;
  bool device_calls = true;
  bool peers = true;  // the devices can reach each other's memory at all
  std::vector<Context> contexts;
  std::vector<Buffer> buffers;
  std::vector<HostBuffer> hosts;
  std::vector<Array> arrays;
  int textures = 0;
  std::vector<Stream> streams;  // the legacy stream of each context first
  std::vector<int> events;      // the context of each
  int graphs = 0;
  std::vector<Phase> phases;

  // What a budget is measured against, in bytes on that device where it is most.
  size_t footprint = 0;  // most that lived at once, of buffers big enough to be served
  size_t small = 0;      // most that lived at once of the others
  size_t still = 0;      // most that may not move at once
  size_t fixed = 0;      // the same when something must be on the device while it does not move
  size_t widest = 0;     // most that one operation needs there at once, with what is held still
  size_t operations() const {
    size_t count = 0;
    for (const Phase& phase : phases) {
      for (const auto& thread : phase.threads) count += thread.size();
    }
    return count;
  }
};

// What an operation reads and writes: what its order and its working set follow from.
std::vector<Access> accesses(const NodeWork& work);
std::vector<Access> accesses(const Work& work);
std::vector<Access> accesses(const std::vector<Node>& nodes);

// Every node, those in child graphs and bodies too, as what it does in the end.
void for_each_step(const std::vector<Node>& nodes,
                   const std::function<void(const NodeWork&)>& visit);

struct Size {
  int operations = 60;
  int devices = 2;                      // at most
  int compute = 90;                     // 10 * major + minor: what every device can
  bool device_calls = true;             // kernels may call the device runtime
  size_t footprint = size_t{40} << 20;  // at most, about
};

Plan generate(uint64_t seed, const Size& size);

}  // namespace random_program
