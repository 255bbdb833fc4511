// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger.h"

#include <algorithm>

#include "runtime/log.h"

namespace spillway {

namespace {

void count_present(Device& device, uint64_t change) {
  device.present_bytes += change;
  device.peak_present_bytes = std::max(device.peak_present_bytes, device.present_bytes);
}

uint64_t present(const Range& range) {
  uint64_t sum = 0;
  for (const Piece& piece : range.pieces)
    if (facts(piece.residency).on_chunks) sum += range.asked(piece);
  return sum;
}

}  // namespace

bool advance(Engine& engine, const Held&, Piece& piece, Step step, Cause cause) noexcept {
  const auto to = next(piece.residency, step);
  if (!to) {
    log(LogLevel::Error, "bug: piece {} is {} and cannot {} (cause {}); it stays as it is",
        piece.id, facts(piece.residency).name, name(step), name(cause));
    return false;
  }
  const bool before = facts(piece.residency).on_chunks, after = facts(*to).on_chunks;
  piece.residency = *to;
  Range& range = *piece.range;
  range.settled.store(settled(range), std::memory_order_seq_cst);
  if (before != after && range.life == Life::Live) {
    Device& device = *engine.device(range.device);
    count_present(device, after ? range.asked(piece) : -range.asked(piece));
  }
  if (step == Step::EndEvict) {
    engine.counters.evictions++;
    engine.counters.moved_out_bytes += piece.bytes;
  } else if (step == Step::EndFetch) {
    engine.counters.fetches++;
    engine.counters.moved_in_bytes += piece.bytes;
  } else if (step == Step::Rescue) {
    engine.counters.rescues++;
  }
  log(LogLevel::Trace, "piece {} of {:#x}: {} -> {}, cause {}", piece.id, range.base, name(step),
      facts(*to).name, name(cause));
  return true;
}

Range* find_live(Engine& engine, const Held&, CUdeviceptr address) noexcept {
  Range* range = engine.arena.at(address);
  return range && range->life == Life::Live && address - range->base < range->extent ? range
                                                                                     : nullptr;
}

Range* new_range(Engine& engine, const Held&, Device& device, uint64_t bytes) noexcept {
  const uint64_t extent = round_up(bytes, kGranule);
  const CUdeviceptr base = engine.arena.take(extent);
  if (!base) return nullptr;
  Range* range;
  if (engine.dead.empty()) {
    range = new Range;
    engine.ranges.push_back(range);
  } else {
    range = engine.dead.back();
    engine.dead.pop_back();
  }
  range->settled.store(false);
  range->base = base;
  range->bytes = bytes;
  range->extent = extent;
  range->device = device.ordinal;
  range->still = range->graphs = range->graph_stills = 0;
  range->pieces.clear();
  for (uint64_t at = 0; at < extent; at += device.piece_bytes) {
    Piece piece;
    piece.range = range;
    piece.id = ++engine.piece_ids;
    piece.offset = at;
    piece.bytes = std::min(device.piece_bytes, extent - at);
    range->pieces.push_back(std::move(piece));
  }
  engine.arena.own(base, extent, range);
  return range;
}

void retire(Engine& engine, const Held&, Range& range) noexcept {
  engine.arena.own(range.base, range.extent, nullptr);
  engine.arena.give(range.base, range.extent);
  range.life = Life::Dead;
  for (auto& use : range.uses) use.store(0);
  range.many.store(0);
  engine.dead.push_back(&range);
}

void come_alive(Engine& engine, const Held&, Device& device, Range& range) noexcept {
  range.life = Life::Live;
  device.live_bytes += range.extent;
  engine.live_bytes += range.extent;
  engine.peak_live_bytes = std::max(engine.peak_live_bytes, engine.live_bytes);
  count_present(device, present(range));
}

void end_life(Engine& engine, const Held& held, Device& device, Range& range, Life to) noexcept {
  if (range.life == Life::Live) {
    forget_hidden(engine, held, range);
    device.live_bytes -= range.extent;
    engine.live_bytes -= range.extent;
    count_present(device, -present(range));
  }
  range.life = to;
}

void rescue(Engine& engine, const Held& held, Range& range, Cause cause) noexcept {
  for (Piece& piece : range.pieces) {
    if (piece.residency != Residency::Evicting) continue;
    for (Move& move : engine.device(range.device)->outs)
      if (move.piece == &piece) move.piece = nullptr;
    advance(engine, held, piece, Step::Rescue, cause);
  }
}

void cache(Engine& engine, const Held&, Range& range) noexcept {
  range.life = Life::Cached;
  range.freed_order = ++engine.frees;
  engine.cached[range.extent].push_back(&range);
}

void uncache(Engine& engine, const Held&, Range& range) noexcept {
  // The list of a size stays when it is empty: the next free of that size need not make it again.
  std::erase(engine.cached.find(range.extent)->second, &range);
}

bool has_bytes(const Range& range) noexcept {
  return range.life == Life::Live || range.life == Life::Zombie;
}

bool usable(const Range& range) noexcept {
  return std::ranges::all_of(range.pieces, [](const Piece& piece) {
    return piece.residency == Residency::Host ? piece.mapped : facts(piece.residency).usable;
  });
}

bool on_device(const Range& range) noexcept {
  return std::ranges::all_of(range.pieces, [](const Piece& piece) {
    return piece.residency != Residency::Host && facts(piece.residency).usable;
  });
}

bool settled(const Range& range) noexcept {
  return std::ranges::all_of(
      range.pieces, [](const Piece& piece) { return piece.residency == Residency::Device; });
}

}  // namespace spillway
