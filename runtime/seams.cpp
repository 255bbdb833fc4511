// SPDX-License-Identifier: Apache-2.0
#include "runtime/seams.h"

#include <algorithm>

#include "runtime/ledger.h"

namespace spillway {

namespace {

// What cuMemAlloc promises is 256; frameworks of today divide their buffers at 512.
constexpr uint64_t kAlignment = 512;
// A seam is one more handle to map whenever a range moves: it must save more than 1/64.
constexpr uint64_t kWorthIt = 64;
// Offers that are looked at, newest first.
constexpr size_t kMostOffers = 16;

Range* take_object(Engine& engine) {
  Range* range;
  if (engine.dead.empty()) {
    range = new Range;
    engine.ranges.push_back(range);
  } else {
    range = engine.dead.back();
    engine.dead.pop_back();
  }
  range->settled.store(false);
  range->joined.store(false);
  for (auto* link : {&range->head, &range->tail, &range->first, &range->second})
    link->store(nullptr);
  range->still = range->graphs = range->graph_stills = 0;
  range->pieces.clear();
  return range;
}

Range* make(Engine& engine, Device& device, CUcontext context, CUdeviceptr body, uint64_t extent) {
  Range* range = take_object(engine);
  range->body = range->base = body;
  range->extent = range->span = range->bytes = extent;
  range->device = device.ordinal;
  range->context = context;
  for (uint64_t at = 0; at < extent; at += device.piece_bytes) {
    Piece piece;
    piece.range = range;
    piece.id = ++engine.piece_ids;
    piece.offset = at;
    piece.bytes = std::min(device.piece_bytes, extent - at);
    range->pieces.push_back(std::move(piece));
  }
  return range;
}

Range* make_seam(Engine& engine, Device& device, Range& first, CUdeviceptr granule) {
  Range* seam = make(engine, device, first.context, granule, kGranule);
  seam->bytes = 0;  // nobody asked for it
  seam->first.store(&first);
  seam->joined.store(true);
  seam->life = Life::Seam;
  first.tail.store(seam);
  first.joined.store(true);
  engine.arena.own(granule, kGranule, seam);
  return seam;
}

// An offered seam that the range can begin in, with room for the rest behind it.
Range* join(Engine& engine, Device& device, CUcontext context, uint64_t span) {
  for (size_t i = 0; i < std::min(device.offers.size(), kMostOffers); i++) {
    Range* seam = device.offers[device.offers.size() - 1 - i];
    const Range* first = seam->first.load();
    if (seam->context != context || !first) continue;
    const CUdeviceptr start = first->base + first->span, body = seam->body + kGranule;
    const uint64_t inside = body - start;
    if (span <= inside) continue;
    const uint64_t rest = span - inside;
    if (!engine.arena.take_at(body, round_up(rest, kGranule))) continue;
    Range* range = make(engine, device, context, body, rest / kGranule * kGranule);
    range->base = start;
    range->head.store(seam);
    range->joined.store(true);
    seam->second.store(range);
    withdraw_seam(device, *seam);
    return range;
  }
  return nullptr;
}

}  // namespace

void offer_seam(Device& device, Range& seam) noexcept {
  if (std::ranges::find(device.offers, &seam) == device.offers.end())
    device.offers.push_back(&seam);
}

void withdraw_seam(Device& device, Range& seam) noexcept {
  std::erase(device.offers, &seam);
}

Range* new_range(Engine& engine, const Held&, Device& device, CUcontext context,
                 uint64_t bytes) noexcept {
  const uint64_t whole = round_up(bytes, kGranule);
  uint64_t span = round_up(bytes, kAlignment);
  if (span < kGranule || (whole - span) * kWorthIt <= span) span = whole;
  Range* range = span == whole ? nullptr : join(engine, device, context, span);
  if (!range) {
    // Those without a seam lie elsewhere, so that behind a seam there is room for the next range.
    const CUdeviceptr base =
        span == whole ? engine.arena.take_high(whole) : engine.arena.take(whole);
    if (!base) return nullptr;
    range = make(engine, device, context, base, span / kGranule * kGranule);
  }
  range->span = span;
  range->bytes = bytes;
  engine.arena.own(range->body, range->extent, range);
  const CUdeviceptr end = range->body + range->extent;
  if (range->base + span > end) make_seam(engine, device, *range, end);
  return range;
}

void retire(Engine& engine, const Held& held, Range& range) noexcept {
  Device& device = *engine.device(range.device);
  const std::vector<Range*> own = own_seams(range);
  for (const auto link : {&Range::head, &Range::tail}) {
    Range* seam = (range.*link).exchange(nullptr);
    if (!seam) continue;
    (link == &Range::head ? seam->second : seam->first).store(nullptr);
    withdraw_seam(device, *seam);
    // What begins in it later must lie where this one did.
    if (link == &Range::head && seam->first.load()) offer_seam(device, *seam);
  }
  engine.arena.own(range.body, range.extent, nullptr);
  if (range.extent) engine.arena.give(range.body, range.extent);
  range.life = Life::Dead;
  for (auto& use : range.uses) use.store(0);
  range.many.store(0);
  engine.dead.push_back(&range);
  for (Range* seam : own) retire(engine, held, *seam);
}

}  // namespace spillway
