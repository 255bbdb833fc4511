// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger.h"

#include <algorithm>

#include "runtime/live.h"
#include "runtime/log.h"
#include "runtime/raise.h"
#include "runtime/seams.h"
#include "runtime/tell.h"

namespace spillway {

namespace {

void count_present(Device& device, uint64_t change) {
  device.present_bytes += change;
  // With what the driver serves, which has its place too.
  raise(device.peak_present_bytes, device.present_bytes + device.external.load());
}

// Of a piece, what live ranges asked for.
uint64_t asked(const Piece& piece) {
  const Range& range = *piece.range;
  const Range* const owners[] = {&range, range.first.load(), range.second.load()};
  uint64_t sum = 0;
  for (const Range* owner : owners)
    if (owner && owner->life == Life::Live)
      sum += owner->asked(range.body + piece.offset, piece.bytes);
  return sum;
}

// What a live range asked for, and has on the device.
uint64_t present(Range& range) {
  uint64_t sum = 0;
  for (const Range* part : parts_of(range))
    if (part)
      for (const Piece& piece : part->pieces)
        if (facts(piece.residency).on_chunks)
          sum += range.asked(part->body + piece.offset, piece.bytes);
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
  const Residency from = piece.residency;
  const bool before = facts(piece.residency).on_chunks, after = facts(*to).on_chunks;
  piece.residency = *to;
  Range& range = *piece.range;
  range.settled.store(settled(range), std::memory_order_seq_cst);
  const auto there = [](Residency state) {
    return state == Residency::Device || state == Residency::Fetching ||
           state == Residency::Arriving;
  };
  if (Device* device = engine.device(range.device); device && there(from) != there(*to))
    device->foresight.moved(piece, there(*to));
  const uint64_t bytes = before != after ? asked(piece) : 0;
  if (bytes) count_present(*engine.device(range.device), after ? bytes : -bytes);
  if (step == Step::BeginEvict || step == Step::BeginFetch) {
    piece.asked = trace::on() ? trace::now() : 0;
  } else if (step == Step::EndEvict) {
    engine.counters.evictions++;
    engine.counters.moved_out_bytes += piece.bytes;
    tell_moved(piece, true, cause);
  } else if (step == Step::EndFetch) {
    engine.counters.fetches++;
    engine.counters.moved_in_bytes += piece.bytes;
    tell_moved(piece, false, cause);
  } else if (step == Step::Rescue) {
    engine.counters.rescues++;
  }
  refresh_live_page(engine);
  log(LogLevel::Trace, "piece {} of {:#x}: {} -> {}, cause {}", piece.id, range.base, name(step),
      facts(*to).name, name(cause));
  return true;
}

Range* owner_of(Range* at, CUdeviceptr address) noexcept {
  if (!at || !at->joined.load(std::memory_order_relaxed)) return at;
  // A range with seams is found by its own granules; a seam has two sides.
  Range* first = at->first.load(std::memory_order_relaxed);
  Range* second = at->second.load(std::memory_order_relaxed);
  if (!first && !second) return at;
  return second && address >= second->base ? second : first;
}

Range* find_live(Engine& engine, const Held&, CUdeviceptr address) noexcept {
  Range* range = owner_of(engine.arena.at(address), address);
  return range && range->life == Life::Live && address - range->base < range->span ? range
                                                                                   : nullptr;
}

std::array<Range*, 3> parts_of(Range& range) noexcept {
  return {&range, range.head.load(std::memory_order_relaxed),
          range.tail.load(std::memory_order_relaxed)};
}

std::vector<Range*> own_seams(Range& range) noexcept {
  std::vector<Range*> own;
  for (Range* seam : {range.head.load(), range.tail.load()})
    if (seam && !(seam->first.load() && seam->second.load())) own.push_back(seam);
  return own;
}

void come_alive(Engine& engine, const Held& held, Device& device, Range& range) noexcept {
  range.life = Life::Live;
  tell(trace::Allocated{range.buffer_id, range.base, range.bytes,
                        static_cast<uint64_t>(range.device), range.stream_ordered, range.site});
  device.live_bytes += range.span;
  engine.live_bytes += range.span;
  raise(engine.peak_live_bytes, engine.live_bytes);
  count_present(device, present(range));
  range.settled.store(settled(range));  // one that lies in two seams has no piece of its own
  device.foresight.consider(engine, held, device);
  device.foresight.came_alive(range);
  // From now on its seam, which is backed, may be shared.
  if (Range* seam = range.tail.load(); seam && !seam->second.load()) offer_seam(device, *seam);
  refresh_live_page(engine);
}

void end_life(Engine& engine, const Held& held, Device& device, Range& range, Life to) noexcept {
  if (range.life == Life::Live) {
    tell(trace::Freed{range.buffer_id});
    device.foresight.end_life(range);
    forget_hidden(engine, held, range);
    device.live_bytes -= range.span;
    engine.live_bytes -= range.span;
    count_present(device, -present(range));
  }
  range.life = to;
  refresh_live_page(engine);
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
  engine.cached[range.span].push_back(&range);
}

void uncache(Engine& engine, const Held&, Range& range) noexcept {
  // The list of a size stays when it is empty: the next free of that size need not make it again.
  std::erase(engine.cached.find(range.span)->second, &range);
}

bool has_bytes(const Range& range) noexcept {
  return range.life == Life::Live || range.life == Life::Zombie || range.life == Life::Seam;
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
