// SPDX-License-Identifier: Apache-2.0
// A loop that the history has confirmed: the iteration as a cycle of pieces, and who in the job is
// who in it.
#pragma once

#include <functional>
#include <optional>

#include "policy/cycle.h"
#include "policy/history.h"

namespace spillway::policy {

struct Loop {
  static constexpr uint32_t kNobody = ~0u;

  // What is the same in every lap: an allocation that lives on, or one that each lap makes.
  struct Slot {
    uint64_t life = 0;  // in the lap that was read; of one that goes around its end, the later
    uint64_t bytes = 0;
    uint32_t first = 0, count = 0;  // its pieces, as blocks of the cycle
  };

  uint64_t begin = 0, length = 0;  // of the lap that was read, in events
  std::vector<Slot> slots;
  std::vector<uint32_t> kernel;       // of each event of the lap: launches before it
  std::vector<uint32_t> made;         // the slot that it makes, if it is an allocation
  std::vector<uint32_t> first_touch;  // the slots that it uses: in `touched`, up to the next one's
  std::vector<uint32_t> touched;
  Cycle cycle;        // its blocks are pieces
  uint64_t peak = 0;  // bytes of all slots that live at once, at most
};

struct LoopFacts {
  std::function<uint64_t(uint64_t signature)> ns;  // of a launch
  // How an allocation of so many bytes is divided: the bytes of its pieces.
  std::function<std::span<const uint64_t>(uint64_t bytes)> pieces;
  std::function<uint64_t(uint64_t life)>
      bytes;  // of a life that the history does not know; 0: it is over
};

// The last History::distance() events, if those before them were like them and used the same
// memory. Nothing: they did not.
std::optional<Loop> read_loop(const History& history, const LoopFacts& facts);

}  // namespace spillway::policy
