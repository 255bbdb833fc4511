// SPDX-License-Identifier: Apache-2.0
// Moves pieces between device and host at an address that does not change, both ways at once, and
// without waiting for more than it must:
//
//   out: a copy on the out lane, ordered on the GPU behind the piece's last uses. When the host has
//        seen its end, the address changes over to the backup and the chunks are idle.
//   in:  the address changes over to chunks, then a copy on the in lane; work that uses the piece
//        waits for it on the GPU.
//
// There is no atomic remap: between unmap and set-access the address faults, and one early unmap
// kills the context. So no launch is submitted that names a piece in Leaving or Fetching, and
// nothing is unmapped before the host has seen the end of every use.
//
// All functions need the device's token (room.h) and none may be called with the ledger held.
#pragma once

#include <chrono>
#include <span>
#include <vector>

#include "runtime/engine.h"
#include "runtime/mapping.h"

namespace spillway {

// Longer than any copy or submission takes. What is not over by then waits for something, perhaps
// for whoever waits for it.
inline constexpr std::chrono::seconds kPatience{2};

class Mover {
 public:
  Mover(Engine& engine, Device& device) : engine_(engine), device_(device) {}

  // Queues the copies of pieces in Evicting; each goes on to Host when it is settled. Returns those
  // that are back in Device because they cannot go (host memory ended, a stream cannot be marked).
  std::vector<Piece*> evict(std::span<Piece* const> pieces, Cause cause) noexcept;

  // A piece in Fetching, with chunks that cover it. Ends in Arriving; or in Host, with the chunks
  // given back.
  bool fetch(Piece& piece, std::vector<Chunk>& chunks, Cause cause) noexcept;

  // Puts memory behind an Unbacked piece.
  bool back(Piece& piece, std::vector<Chunk>& chunks) noexcept;
  bool back_on_host(Piece& piece) noexcept;

  // Takes away what backs the pieces of a range that nobody uses any more.
  void drop(Range& range) noexcept;

  // Ends the moves whose copies are over, without waiting.
  void settle() noexcept;
  // Waits until the oldest copy of a direction is over, and ends it. False: there is none, or it
  // did not end in time (what it waits for may wait, in the end, for the caller).
  bool settle_oldest(std::deque<Move> Device::*direction) noexcept;
  // The same for that of the oldest two, one each way, whose copy ends first.
  bool settle_first() noexcept;
  // Waits until the oldest copy out is over, and ends it, or until all uses of the range are,
  // whichever comes first. False: neither did in time.
  bool wait_for_first(const Range& range) noexcept;
  // Waits for everything that reads or writes the range, or runs in the context.
  void settle_range(const Range& range) noexcept;
  void settle_context(CUcontext context) noexcept;
  // Waits for the rest: in vain, and not for ever, if that waits for the caller.
  void settle_rest() noexcept;

  // More would only wait in a queue: what comes in next may be more urgent than what is in it.
  // `more`, `more_bytes`: that are about to be added.
  bool full(std::deque<Move> Device::*direction, size_t more = 0,
            uint64_t more_bytes = 0) const noexcept;

 private:
  Lanes* lanes(CUcontext context) noexcept;
  CUevent mark(Lane& lane) noexcept;
  bool copy_out(Piece& piece, Lane& lane, std::vector<Backup>& backups) noexcept;
  bool wait(Move& move, std::chrono::milliseconds patience) noexcept;
  void note(Move& move, CUresult result) noexcept;
  template <class Match>
  void settle_those(const Match& match, std::chrono::milliseconds patience) noexcept;
  void end(std::deque<Move> Device::*direction, std::deque<Move>::iterator move) noexcept;
  void end_out(Move& move) noexcept;
  void end_in(Move& move) noexcept;
  bool comes_first(CUevent one, CUevent other) noexcept;
  bool change_over(Piece& piece, std::vector<Backup>& backups) noexcept;
  template <class Parts>
  CUresult map(const Piece& piece, const Parts& parts) noexcept {
    return map_parts(engine_.driver, device_.access, address_of(piece), parts);
  }
  template <class Parts>
  CUresult unmap(const Piece& piece, const Parts& parts) noexcept {
    return unmap_parts(engine_.driver, device_.access, address_of(piece), parts);
  }
  bool step(Piece& piece, Step step, Cause cause) noexcept;

  Engine& engine_;
  Device& device_;
};

}  // namespace spillway
