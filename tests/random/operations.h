// SPDX-License-Identifier: Apache-2.0
// The operations of a random program, as data, and what one of them touches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

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
  Sample,          // the second argument through a texture
  Surface,         // the first argument, an array, through a surface
  StoreAddresses,  // this and the next two: into a table, the nodes of a list, a variable
  LinkNodes,
  StoreGlobal,
  BlendTiles,  // blend, the second argument through a tensor map
  Dependent,   // the second argument is read, the third is written before the wait
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
  // blend's and blend_tiles' unused pointer: null, a live buffer, or one past the end of it.
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

enum class CopyForm {
  Plain,
  Generic,
  Peer,
  Rows,
  RowsUnaligned,
  Volume,
  VolumePeer,
  Batch,
  BatchOfBoxes
};

inline bool is_batch(CopyForm form) {
  return form == CopyForm::Batch || form == CopyForm::BatchOfBoxes;
}

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
  bool batch = false;  // all of it by one call
};                     // target.bytes is 4 or 8

// Puts the addresses of `targets` into a table, that of the first into the module's global, or
// into each that of the next one.
enum class Holder { Table, Global, List };
struct StoreAddresses {
  Holder holder = Holder::Table;
  Access table;
  std::vector<Access> targets;
  bool copied = false;                // Table: put elsewhere in it first, then copied on the device
  bool by_kernel = false;             // in stream order; otherwise by the host
  Packing packing = Packing::Params;  // of that kernel
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

}  // namespace random_program
