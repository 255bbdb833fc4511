// SPDX-License-Identifier: Apache-2.0
#include "runtime/ahead.h"

#include <algorithm>

#include "runtime/context_scope.h"
#include "runtime/ledger.h"
#include "runtime/mover_thread.h"

namespace spillway {

bool begin_departures(Engine& engine, Device& device, Held& held,
                      std::span<Range* const> keep) noexcept {
  Mover mover(engine, device);
  std::vector<Piece*> leaving;
  uint64_t bytes = 0;
  for (auto at = device.departures.begin(); at != device.departures.end();) {
    Piece* piece = device.foresight.find(*at);
    const bool there = piece && has_bytes(*piece->range) && piece->range->movable() &&
                       std::ranges::find(keep, piece->range) == keep.end();
    if (there && piece->residency == Residency::Arriving) {  // not seen to be there yet
      ++at;
      continue;
    }
    if (there && piece->residency == Residency::Device) {
      if (mover.full(&Device::outs, leaving.size(), bytes)) break;
      if (advance(engine, held, *piece, Step::BeginEvict, Cause::Plan)) {
        leaving.push_back(piece);
        bytes += piece->bytes;
      }
    }
    at = device.departures.erase(at);
  }
  if (leaving.empty()) return false;
  device.pressed = true;
  fast_path.short_of_memory.store(true, std::memory_order_relaxed);
  Unlocked open(held);
  return mover.evict(leaving, Cause::Plan).size() < leaving.size();
}

namespace {

// False: there is no room, or no place in the lane; nothing behind it comes either.
bool begin_fetch(Engine& engine, Device& device, Held& held, Room& room, uint32_t id) {
  Piece* piece = device.foresight.find(id);
  if (!piece || !has_bytes(*piece->range)) return true;
  Range& range = *piece->range;
  if (piece->residency == Residency::Evicting) {
    rescue(engine, held, range, Cause::Plan);
    return true;
  }
  if (piece->residency != Residency::Host || range.held_still()) return true;
  Mover mover(engine, device);
  if (mover.full(&Device::ins)) return false;
  // Used in place just now: nobody waits for that here.
  if (range.pins || (piece->mapped && !engine.completion.idle(range))) return false;
  std::vector<Chunk> chunks;
  if (!room.take(piece->bytes, &chunks) &&
      !(room.drop_idle(piece->bytes) && room.take(piece->bytes, &chunks)))
    return false;
  bool begun = piece->residency == Residency::Host && !range.pins && has_bytes(range) &&
               advance(engine, held, *piece, Step::BeginFetch, Cause::Prefetch);
  Unlocked open(held);
  if (begun) begun = mover.fetch(*piece, chunks, Cause::Prefetch);
  device.chunks.give(chunks);
  return begun;
}

}  // namespace

void move_ahead(Engine& engine, Device& device, Held& held) noexcept {
  if (!device.foresight.watching()) return;
  device.foresight.set_terms(device.budget());
  Room room(engine, device, held, {});
  std::vector<policy::Proposal> proposals;
  device.foresight.propose(room.space(), &proposals);
  for (const policy::Proposal& proposal : proposals)
    if (proposal.out) device.departures.push_back(proposal.piece);
  begin_departures(engine, device, held, {});
  for (const policy::Proposal& proposal : proposals)
    if (!proposal.out && !begin_fetch(engine, device, held, room, proposal.piece)) break;
  Unlocked open(held);
  engine.stopwatch.read(device.foresight);
  if (engine.stopwatch.read_out()) device.foresight.think(engine.config.lockstep);
}

void tell_ahead(Engine& engine, Device& device, const Sighting& seen) noexcept {
  const bool proposes = device.foresight.launched(seen);
  if (engine.config.lockstep) {
    Held held(engine.ledger);
    catch_up(engine, device, held);
    if (proposes)
      as_mover(engine, device, held, [&](Held& mine) { move_ahead(engine, device, mine); });
  } else if (proposes) {
    std::lock_guard held(engine.ledger);
    device.proposes = true;
    device.wake.notify_one();
  }
}

void catch_up(Engine& engine, Device& device, Held& held) noexcept {
  if (!engine.config.lockstep || !device.foresight.watching() || !device.has_thread) return;
  while (true) {
    std::vector<std::pair<CUevent, CUcontext>> events;
    for (const auto direction : {&Device::outs, &Device::ins})
      for (const Move& move : device.*direction)
        events.emplace_back(move.event, move.lane->context);
    size_t over = 0;
    {
      Unlocked open(held);
      for (const auto& [event, context] : events) {
        ContextScope scope(engine.driver, context);
        over += engine.driver.cuEventQuery(event) == CUDA_SUCCESS;
      }
    }
    if (!over) return;
    ask_mover_late(engine, device, held, [&](Held& mine) {
      for (size_t i = 0; i < over; i++) {
        {
          Unlocked open(mine);
          Mover(engine, device).settle_first();
        }
        move_ahead(engine, device, mine);
      }
    });
  }
}

}  // namespace spillway
