// SPDX-License-Identifier: Apache-2.0
// What a trace tells: every event, declared once. Writer, reader, dump and export derive from it
// (schema.h), and the head of every trace carries the names, so that an older or a newer reader can
// still name what it does not know.
#pragma once

#include <variant>

#include "runtime/access.h"
#include "runtime/residency.h"
#include "runtime/trace/field.h"

namespace spillway::trace {

// Range: the number of one life of an allocation, never given twice in a process.
// Name: the number of a text, which a Named event has told before.

enum class NameOf : uint8_t { Kernel, Call, Site };
constexpr auto names_of(NameOf) {
  return std::to_array<std::string_view>({"kernel", "call", "site"});
}

constexpr const auto& names_of(PinReason) {
  return kPinReasonNames;
}
constexpr const auto& names_of(Cause) {
  return kCauseNames;
}

enum class StallFor : uint8_t { Data, Room };
constexpr auto names_of(StallFor) {
  return std::to_array<std::string_view>({"data", "room"});
}

// A thread uses this slot from now on; events of a slot are in order.
struct Thread {
  static constexpr const char* kind = "thread";
  uint64_t tid = 0;
  static constexpr auto fields() { return std::tuple{Field{"tid", &Thread::tid}}; }
};

struct Named {
  static constexpr const char* kind = "named";
  uint64_t name = 0;
  NameOf what = NameOf::Kernel;
  std::string_view text;
  static constexpr auto fields() {
    return std::tuple{Field{"name", &Named::name}, Field{"what", &Named::what},
                      Field{"text", &Named::text}};
  }
};

// The budget of a device, at the start and whenever it changes.
struct Budget {
  static constexpr const char* kind = "budget";
  uint64_t device = 0, bytes = 0, host = 0;
  static constexpr auto fields() {
    return std::tuple{Field{"device", &Budget::device}, Field{"bytes", &Budget::bytes, "B"},
                      Field{"host", &Budget::host, "B"}};
  }
};

struct Allocated {
  static constexpr const char* kind = "allocated";
  uint64_t range = 0, address = 0, bytes = 0, device = 0;
  bool ordered = false;  // by cuMemAllocAsync
  uint64_t site = 0;     // a name; 0: not asked for
  static constexpr auto fields() {
    return std::tuple{Field{"range", &Allocated::range},      Field{"address", &Allocated::address},
                      Field{"bytes", &Allocated::bytes, "B"}, Field{"device", &Allocated::device},
                      Field{"ordered", &Allocated::ordered},  Field{"site", &Allocated::site}};
  }
};

struct Freed {
  static constexpr const char* kind = "freed";
  uint64_t range = 0;
  static constexpr auto fields() { return std::tuple{Field{"range", &Freed::range}}; }
};

// A kernel launch, and the ranges that its arguments name.
struct Launched {
  static constexpr const char* kind = "launched";
  uint64_t kernel = 0;  // a name; 0: not known
  uint64_t stream = 0;
  uint64_t site = 0;
  std::span<const uint64_t> ranges;
  static constexpr auto fields() {
    return std::tuple{Field{"kernel", &Launched::kernel}, Field{"stream", &Launched::stream},
                      Field{"site", &Launched::site}, Field{"ranges", &Launched::ranges}};
  }
};

// A launch of an executable graph, and the ranges that its nodes name.
struct GraphLaunched {
  static constexpr const char* kind = "graph";
  uint64_t graph = 0;  // the number of its handle in this process
  uint64_t stream = 0;
  std::span<const uint64_t> ranges;
  static constexpr auto fields() {
    return std::tuple{Field{"graph", &GraphLaunched::graph},
                      Field{"stream", &GraphLaunched::stream},
                      Field{"ranges", &GraphLaunched::ranges}};
  }
};

// A copy or a set of the application that names ranges: so many bytes of each.
struct Copied {
  static constexpr const char* kind = "copied";
  uint64_t stream = 0, bytes = 0;
  std::span<const uint64_t> ranges;
  static constexpr auto fields() {
    return std::tuple{Field{"stream", &Copied::stream}, Field{"bytes", &Copied::bytes, "B"},
                      Field{"ranges", &Copied::ranges}};
  }
};

// A range does not move any more, for this reason; and may again, as far as that one goes.
struct Holding {
  uint64_t range = 0;
  PinReason reason = PinReason::Exported;
  static constexpr auto fields() {
    return std::tuple{Field{"range", &Holding::range}, Field{"reason", &Holding::reason}};
  }
};
struct Held : Holding {
  static constexpr const char* kind = "held";
};
struct Released : Holding {
  static constexpr const char* kind = "released";
};

// What the program holds past us on a device, when it has changed by a MiB or more: small
// allocations, mappings of its own, and those of excluded libraries.
struct Outside {
  static constexpr const char* kind = "outside";
  uint64_t device = 0, bytes = 0;
  static constexpr auto fields() {
    return std::tuple{Field{"device", &Outside::device}, Field{"bytes", &Outside::bytes, "B"}};
  }
};

// Bytes of a range on their way between device and host; `took`: from the request to the end of
// the copy.
struct Moved {
  uint64_t range = 0, offset = 0, bytes = 0, device = 0;
  Cause cause = Cause::Pressure;
  uint64_t took = 0;
  static constexpr auto fields() {
    return std::tuple{Field{"range", &Moved::range},      Field{"offset", &Moved::offset, "B"},
                      Field{"bytes", &Moved::bytes, "B"}, Field{"device", &Moved::device},
                      Field{"cause", &Moved::cause},      Field{"took", &Moved::took, "ns"}};
  }
};

struct Evicted : Moved {  // to the host
  static constexpr const char* kind = "evicted";
};

struct Fetched : Moved {  // to the device
  static constexpr const char* kind = "fetched";
};

// A thread of the application waited in a call of its own; the event is written at the end of it.
struct Stalled {
  static constexpr const char* kind = "stalled";
  StallFor what = StallFor::Data;
  uint64_t took = 0, bytes = 0;
  std::span<const uint64_t> ranges;  // that the call uses
  static constexpr auto fields() {
    return std::tuple{Field{"what", &Stalled::what}, Field{"took", &Stalled::took, "ns"},
                      Field{"bytes", &Stalled::bytes, "B"}, Field{"ranges", &Stalled::ranges}};
  }
};

// Events that found no room in their thread's ring, since the last one that did.
struct Lost {
  static constexpr const char* kind = "lost";
  uint64_t count = 0;
  static constexpr auto fields() { return std::tuple{Field{"count", &Lost::count}}; }
};

// Append only: the place is the number.
using Event = std::variant<Thread, Named, Budget, Allocated, Freed, Launched, Evicted, Fetched,
                           Stalled, Lost, GraphLaunched, Copied, Held, Released, Outside>;

}  // namespace spillway::trace
