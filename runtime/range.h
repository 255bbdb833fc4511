// SPDX-License-Identifier: Apache-2.0
// A range and its pieces. Range objects are never deleted, only reused: a launch may look at one
// through a stale pointer at any time.
//
// Whole granules of a range are its own pieces. Where rounding up to a granule would lose much, the
// last granule is a seam: a range object by itself, with one piece, in which the range ends and the
// next one begins. It moves by itself; whoever needs a range needs its seams. A range may lie in
// two seams and have no piece of its own.
//
//   granules  |---------|---------|---------|---------|---------|---------|
//   ranges    [first: own pieces  ][ seam ][ second: own pieces ][ seam ]
//   bytes     [------------------------][---------------------------]
#pragma once

#include <cuda.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "runtime/access.h"
#include "runtime/residency.h"
#include "runtime/words.h"

namespace spillway {

struct Range;

struct Chunk {
  CUmemGenericAllocationHandle handle = 0;
  uint64_t bytes = 0;
};

// Host memory for part of a piece. In place: a VMM handle, always mapped at `address` so that
// copies reach it, and mapped a second time at the piece's own address while it is evicted.
// Copy-only: pinned memory (handle 0).
struct Backup {
  CUmemGenericAllocationHandle handle = 0;
  CUdeviceptr address = 0;
  uint64_t bytes = 0;
};

// Guarded by the ledger, but for chunks and backups: those belong to whoever has the device's token
// (mover.h).
struct Piece {
  Range* range = nullptr;
  uint32_t id = 0;
  uint64_t offset = 0;  // in the range
  uint64_t bytes = 0;
  Residency residency = Residency::Unbacked;
  bool mapped = false;          // Host only: the backup stands at the address (in place)
  uint64_t asked = 0;           // when its move began, for the trace; 0: not known
  CUevent arrived = nullptr;    // Arriving only: what work that uses it must wait for
  std::vector<Chunk> chunks;    // in address order
  std::vector<Backup> backups;  // in address order
};

enum class Life : uint8_t {
  Dead,     // the object waits for reuse; no address
  Live,     // the application has it
  Cached,   // freed; still backed, ready for the next allocation of its size
  Freeing,  // a free of it is under way
  Zombie,   // freed, but an executable graph still names it: backed and movable until that dies
  Lost,     // freed, but the driver would not take its memory back: never touched again
  Seam,     // not an allocation: the granule between two, while either has an address
};

// Where and when a range was used last on one stream: stream id in the top 16 bits, number below.
struct Use {
  uint16_t stream = 0;
  uint64_t number = 0;
  static Use unpack(uint64_t word) {
    return {static_cast<uint16_t>(word >> 48), word & kNumberMask};
  }
  uint64_t pack() const { return uint64_t{stream} << 48 | number; }
  static constexpr uint64_t kNumberMask = (uint64_t{1} << 48) - 1;
};
inline constexpr int kInlineUses = 4;

struct alignas(64) Range {
  // --- read by launches without a lock -----------------------------------------------------------
  // Every piece is on the device and none is moving: a launch may go ahead. Cleared (seq_cst)
  // before a piece begins to leave; the mover then waits until every launch that may have seen it
  // set has been submitted.
  std::atomic<bool> settled{false};
  std::atomic<bool> joined{false};  // it has seams, or is one
  std::atomic<uint64_t> uses[kInlineUses]{};
  std::atomic<uint64_t> many{0};  // number of the last use that found no place above; 0: none
  std::atomic<Range*> head{nullptr}, tail{nullptr};     // its seams
  std::atomic<Range*> first{nullptr}, second{nullptr};  // a seam's: who ends and who begins in it

  // --- guarded by the ledger ---------------------------------------------------------------------
  Life life = Life::Dead;
  CUdeviceptr base = 0;
  uint64_t bytes = 0;    // asked for
  uint64_t span = 0;     // from base on: what can be asked for; its own granules and parts of seams
  CUdeviceptr body = 0;  // its own granules
  uint64_t extent = 0;
  int device = 0;
  CUcontext context = nullptr;
  CUmemoryPool pool = nullptr;
  bool stream_ordered = false;  // from cuMemAllocAsync
  uint64_t buffer_id = 0;
  std::atomic<uint32_t> foreseen{0};  // the policy's handle of it plus one; 0: none
  uint64_t site = 0;                  // where it was allocated, as the trace numbers it
  uint32_t pins = 0;                  // calls that are using it just now
  uint32_t still = 0;                 // bits 1 << PinReason: does not move any more
  uint32_t graphs = 0;                // executable graphs that name it
  uint32_t graph_stills = 0;          // those that hold it still
  uint16_t freed_on = 0;              // Cached: stream id of the stream-ordered free; 0: cuMemFree
  uint64_t freed_order = 0;           // Cached: oldest first
  std::vector<Piece> pieces;

  // How much of [from, from + length) the application asked for.
  uint64_t asked(CUdeviceptr from, uint64_t length) const {
    const CUdeviceptr begin = std::max(base, from), end = std::min(base + bytes, from + length);
    return end > begin ? end - begin : 0;
  }
  bool held_still() const { return held_by(~0u); }
  // A report on what a kernel stored is on its way, and when it is in, the range may move.
  bool examined() const { return held_by(kExamined) && !held_for_long(); }
  bool held_for_long() const { return held_by(~kExamined); }
  bool movable() const { return pins == 0 && !held_still(); }
  uint64_t last_use() const {
    uint64_t last = many.load(std::memory_order_relaxed);
    for (const auto& word : uses) {
      const uint64_t number = Use::unpack(word.load(std::memory_order_relaxed)).number;
      if (number > last) last = number;
    }
    return last;
  }

 private:
  static constexpr uint32_t kExamined = 1u << static_cast<int>(PinReason::Examined);
  bool held_by(uint32_t reasons) const {
    const auto held = [&](const Range* range) {
      return range && (range->still & reasons || (range->graph_stills && reasons & ~kExamined));
    };
    return held(this) || held(first.load()) || held(second.load());
  }
};

}  // namespace spillway
