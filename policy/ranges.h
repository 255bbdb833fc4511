// SPDX-License-Identifier: Apache-2.0
// The ranges that are live, as a policy that looks ahead knows them: their pieces, which of those
// are on the device, and when each is expected to be used next.
#pragma once

#include <unordered_map>

#include "policy/history.h"
#include "policy/policy.h"

namespace spillway::policy {

struct KnownRange {
  bool live = false;
  uint64_t bytes = 0;
  uint64_t life = 0;                // in the history
  uint64_t touch = History::kNone;  // the last
  uint64_t last = 0;                // the event of it
  uint64_t next = History::kNone;   // the event that is expected to use it next
  std::vector<NewPiece> pieces;

  bool there() const {
    for (const NewPiece& piece : pieces)
      if (!piece.present) return false;
    return true;
  }
};

class Ranges {
 public:
  static constexpr Handle kNobody = ~Handle{0};

  Handle add(uint64_t bytes, uint64_t life, std::span<const NewPiece> pieces);
  void remove(Handle handle);
  void moved(uint32_t piece, bool present);

  bool live(Handle handle) const { return handle < ranges_.size() && ranges_[handle].live; }
  KnownRange& operator[](Handle handle) { return ranges_[handle]; }
  const KnownRange& operator[](Handle handle) const { return ranges_[handle]; }
  Handle end() const { return static_cast<Handle>(ranges_.size()); }
  Handle of_life(uint64_t life) const;  // kNobody: it is over
  const NewPiece* piece(uint32_t id) const;

  // The event at which a range, or a piece, is used next; where that is not known, as far ahead as
  // its last use lies back.
  static uint64_t next_use(const KnownRange& range, uint64_t now);
  uint64_t next_use(uint32_t piece, uint64_t now) const;

  // How an allocation of so many bytes was divided last: the bytes of its own pieces.
  std::span<const uint64_t> shape(uint64_t bytes) const;

 private:
  struct Owner {
    Handle range;
    uint32_t piece;
  };

  std::vector<KnownRange> ranges_;
  std::vector<Handle> idle_;
  std::unordered_map<uint64_t, Handle> by_life_;
  std::unordered_map<uint32_t, std::vector<Owner>> owners_;     // by piece
  std::unordered_map<uint64_t, std::vector<uint64_t>> shapes_;  // by bytes
};

}  // namespace spillway::policy
