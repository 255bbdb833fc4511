// SPDX-License-Identifier: Apache-2.0
// What a random program has: contexts, memory, streams.
#pragma once

#include <cstddef>
#include <vector>

namespace random_program {

// A device's primary context, or one that the program makes; `passing`: midway, and destroys it
// with what is in it.
struct Context {
  int device = 0;
  bool primary = true, passing = false;
};

// cuMemAlloc, cuMemAllocAsync, cuMemAllocPitch; from the device's default pool or the program's
// own; mapped by the program itself.
// `Graph`: by nodes of the one graph in which it lives.
enum class Source { Plain, Async, Pitch, DefaultPool, OwnPool, Mapped, Graph };
inline bool in_stream_order(Source source) {
  return source == Source::Async || source == Source::DefaultPool || source == Source::OwnPool;
}
// Memory that belongs to a context and ends with it; the rest belongs to its device.
inline bool is_the_contexts(Source source) {
  return source == Source::Plain || source == Source::Pitch;
}
// Memory of the driver that never moves.
inline bool is_the_drivers(Source source) {
  return source == Source::OwnPool || source == Source::Mapped || source == Source::Graph;
}

struct Buffer {
  Source source = Source::Plain;
  size_t bytes = 0;              // what was asked for; Pitch: width * height
  size_t width = 0, height = 0;  // Pitch only: rows whose distance the driver chooses
  int context = 0;
};

enum class HostKind { Pinned, PinnedOld, Registered, Pageable };  // HostAlloc, AllocHost, ...

struct HostBuffer {
  HostKind kind = HostKind::Pinned;
  size_t bytes = 0;
};

// Memory of the driver without an address, in words; for copies and surfaces.
struct Array {
  size_t width = 0, height = 0;
  int context = 0;
};

enum class StreamKind { Legacy, Blocking, NonBlocking, PerThread };

struct Stream {
  StreamKind kind = StreamKind::Legacy;
  int thread = 0;  // per-thread streams: whose
  int context = 0;
};

}  // namespace random_program
