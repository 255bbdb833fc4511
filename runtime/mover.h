// SPDX-License-Identifier: Apache-2.0
// Moves pieces between device and host at an address that does not change. Today the thread that
// needs the memory drives it and waits; a mover thread per device takes over behind this interface.
//
// There is no atomic remap: between unmap and set-access the address faults, and one early unmap
// kills the context. So: a piece that moves is Evicting or Fetching, no launch is submitted that
// names it, and it is unmapped only after the host has seen the end of every use.
//
// All functions need the device's token (which relaxes captures) and a current context of the
// device; none may be called with the ledger held.
#pragma once

#include <span>
#include <vector>

#include "runtime/engine.h"

namespace spillway {

class Mover {
 public:
  Mover(Engine& engine, Device& device) : engine_(engine), device_(device) {}

  // Pieces in Evicting leave together: all copies are queued before any is waited for. Each ends in
  // Host, or in Device again when it could not go (host memory ended, a stream cannot be marked).
  // Returns the bytes that became idle.
  uint64_t evict(std::span<Piece* const> pieces, Cause cause) noexcept;

  // A piece in Fetching, with chunks that cover it; ends in Device, or in Host with the chunks
  // given back.
  bool fetch(Piece& piece, std::vector<Chunk>& chunks, Cause cause) noexcept;

  // Puts memory behind an Unbacked piece.
  bool back(Piece& piece, std::vector<Chunk>& chunks) noexcept;
  bool back_on_host(Piece& piece) noexcept;

  // Takes away what backs the pieces of a range that nobody uses any more.
  void drop(Range& range) noexcept;

 private:
  Lanes* lanes(CUcontext context) noexcept;
  bool copy_out(Piece& piece, Lanes& lanes) noexcept;
  bool settle_on_host(Piece& piece) noexcept;
  template <class Parts>
  CUresult map(const Piece& piece, const Parts& parts) noexcept;
  template <class Parts>
  CUresult unmap(const Piece& piece, const Parts& parts) noexcept;
  bool finish(Piece& piece, Step step, Cause cause) noexcept;

  Engine& engine_;
  Device& device_;
};

}  // namespace spillway
