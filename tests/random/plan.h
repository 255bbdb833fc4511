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

#include "tests/random/things.h"

namespace random_program {

// --- what one operation touches ---

enum class Space { Device, Host, Array };

struct Access {
  Space space = Space::Device;
  int index = 0;  // of the Buffer, HostBuffer or Array
  size_t offset = 0;
  size_t bytes = 0;
  bool write = false;
};

// --- operations ---

enum class Kernel {
  Fill,
  Blend,
  Blend8,
  Bundle,
  Wide,
  Bytes,
  Histogram,
  BlockSums,
  Rows,
  ThroughTable,
  ThroughGlobal,
  BarrierSums,
  FollowList,  // the nodes of a list, of which only the first is an argument
  Packed4,
  Packed1,
  Sample,     // the second argument through a texture
  Surface,    // the first argument, an array, through a surface
  Dependent,  // the second argument is read, the third is written before the wait
  Decide,
  CountRounds,
  CountDown,
  Retune,
};
constexpr size_t kKernelCount = static_cast<size_t>(Kernel::Retune) + 1;
enum class Door { Kernel, Ex, Cooperative, ExCooperative };
enum class Packing { Params, Extra };

struct Launch {
  Kernel kernel = Kernel::Fill;
  std::vector<Access> arguments;  // the first is written; ThroughTable: the table, then its targets
  uint32_t elements = 0, stride = 1, salt = 0;
  unsigned grid = 1, block = 128;
  Door door = Door::Kernel;
  Packing packing = Packing::Params;
  // blend's unused pointer: null, a live buffer, or one past the end of it.
  enum class Spectator { Null, Inside, PastEnd } spectator = Spectator::Null;
  int spectator_buffer = 0;
  bool programmatic = false;  // may begin before the kernel ahead of it in the stream is over
  int texture = -1;           // Sample
  int event = -1;             // recorded when all blocks have let the next kernel begin
};

struct Set {
  Access target;
  unsigned element = 1;  // bytes: 1, 2, 4
  uint32_t value = 0;
  size_t width = 0, height = 1;  // in elements and rows; target.bytes is the extent
  size_t pitch = 0;              // 0 with a Pitch buffer: the buffer's own
  bool async = false;
};

enum class CopyForm { Plain, Generic, Peer, Rows, RowsUnaligned, Volume, VolumePeer, Batch };

struct Copy {
  CopyForm form = CopyForm::Plain;  // Plain: HtoD, DtoH, DtoD by the sides
  Access to, from;
  size_t width = 0, height = 1, depth = 1;  // bytes, rows, slices
  size_t to_pitch = 0, from_pitch = 0;      // 0 with a Pitch buffer: its own
  size_t to_rows = 0, from_rows = 0;        // rows between slices
  bool async = false;
  bool unified = false;  // Rows, Volume: memory type UNIFIED for device sides
};

struct HostFill {
  Access target;
  uint64_t seed = 0;
};  // by the host thread itself
struct HostCheck {
  Access target;
};
struct HostFunction {
  Access target;
  uint64_t seed = 0;
};  // the same in stream order
struct WriteValue {
  Access target;
  uint64_t value = 0;
  bool waits = false;  // and the stream waits until it is there
};                     // target.bytes is 4 or 8

// Puts the addresses of `targets` into a table, that of the first into the module's global, or
// into each that of the next one.
enum class Holder { Table, Global, List };
struct StoreAddresses {
  Holder holder = Holder::Table;
  Access table;
  std::vector<Access> targets;
  bool copied = false;  // Table: put elsewhere in it first, then copied on the device
};

struct MakeTexture {
  int texture = 0;
  Access source;
};
struct DropTexture {
  int texture = 0;
};

struct MakeContext {
  int context = 0;
};
struct DropContext {
  int context = 0;
};
// cuCtxEnablePeerAccess, cuCtxDisablePeerAccess: kernels of `from` and the memory of `to`.
struct PeerAccess {
  int from = 0, to = 0;
  bool enable = true;
};

struct Allocate {
  int buffer = 0;
};
struct Release {
  int buffer = 0;
  bool async = false;
};

struct Record {
  int event = 0;
};
struct WaitEvent {
  int event = 0;
};
enum class Wait { Stream, Event, Context, StreamPoll, EventPoll };
struct HostWait {
  Wait wait = Wait::Context;
  int event = 0;
};

enum class Question { Attributes, AddressRange, MemoryInfo, Pools };
struct Ask {
  Question question = Question::Attributes;
  int buffer = 0;
  size_t offset = 0;
};

// Graphs: nodes are operations of the kinds below, `after` are indices of earlier nodes.
struct Nothing {};
struct Node;
struct Child {
  std::vector<Node> nodes;
};
// A body that runs if a word says so, or for as many rounds as it says. Kernels read the word.
struct Conditional {
  bool loop = false;
  Access word;
  uint32_t salt = 0;
  std::vector<Node> body;  // one after the other
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
