// SPDX-License-Identifier: Apache-2.0
// The book of who is where: the one writer of a piece's residency, and the life of ranges.
#pragma once

#include <array>
#include <vector>

#include "runtime/engine.h"

namespace spillway {

// The only writer of Piece::residency: follows an edge of kEdges, keeps Range::settled true to it,
// counts. An impossible step is a bug of ours: logged with both names, refused, false.
bool advance(Engine& engine, const Held& held, Piece& piece, Step step, Cause cause) noexcept;

// Whose address it is: in a seam, that of the range on this side of the boundary. Null: nobody's.
// Any thread, without the ledger too; the answer may be dead by then.
Range* owner_of(Range* at, CUdeviceptr address) noexcept;
// A live range that starts at, or contains, the address. Null: not ours, or freed.
Range* find_live(Engine& engine, const Held& held, CUdeviceptr address) noexcept;

// A range with its seams; what a range is made of, of which a use needs all.
std::array<Range*, 3> parts_of(Range& range) noexcept;  // null where it has none
// Seams that nobody else has: they go with the range.
std::vector<Range*> own_seams(Range& range) noexcept;
// The range becomes the application's; or, freed or lost, stops being so.
void come_alive(Engine& engine, const Held& held, Device& device, Range& range) noexcept;
void end_life(Engine& engine, const Held& held, Device& device, Range& range, Life to) noexcept;

// Takes pieces back whose copy to the host is still under way: they never left.
void rescue(Engine& engine, const Held& held, Range& range, Cause cause) noexcept;

// Adds to the cache of freed ranges, by span / takes from it.
void cache(Engine& engine, const Held& held, Range& range) noexcept;
void uncache(Engine& engine, const Held& held, Range& range) noexcept;

// It has bytes that somebody may still ask for.
bool has_bytes(const Range& range) noexcept;
// The application may use every piece where it is, once it has waited for those that arrive.
bool usable(const Range& range) noexcept;
// The same, and none of them on the host.
bool on_device(const Range& range) noexcept;
// Every piece is on the device and none is moving.
bool settled(const Range& range) noexcept;

}  // namespace spillway
