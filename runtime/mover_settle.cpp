// SPDX-License-Identifier: Apache-2.0
// How moves end: when the host has seen the end of a copy, the address changes over (out), or the
// backup is free again (in).
#include <algorithm>
#include <thread>

#include "runtime/context_scope.h"
#include "runtime/errors.h"
#include "runtime/ledger.h"
#include "runtime/log.h"
#include "runtime/mover.h"

namespace spillway {

namespace {

using std::chrono::milliseconds;

constexpr std::chrono::microseconds kPoll{20};
constexpr milliseconds kForever{milliseconds::max()};
// Two pieces in the copy engine's queue keep it busy; as many again cover a late host.
constexpr size_t kQueuedMoves = 4;
constexpr uint64_t kQueuedBytes = 128 << 20;

}  // namespace

// The copy is complete: the address changes over to the backup.
bool Mover::change_over(Piece& piece, std::vector<Backup>& backups) noexcept {
  const Driver& driver = engine_.driver;
  CUresult result = unmap(piece, piece.chunks);
  if (result != CUDA_SUCCESS) {
    log(LogLevel::Warn, "evicting piece {}: cuMemUnmap failed: {}; it stays on the device",
        piece.id, error_name(driver, result));
    return false;
  }
  piece.mapped = false;
  if (device_.backups.in_place()) {
    result = map(piece, backups);
    piece.mapped = result == CUDA_SUCCESS;
    if (!piece.mapped) {
      log(LogLevel::Warn, "evicting piece {}: mapping its backup failed: {}", piece.id,
          error_name(driver, result));
      if (map(piece, piece.chunks) == CUDA_SUCCESS) return false;
      // The bytes are safe on the host; the next use must fetch them.
    }
  }
  piece.backups = std::move(backups);
  backups.clear();
  device_.chunks.give(piece.chunks);
  return true;
}

void Mover::end_out(Move& move) noexcept {
  Piece* piece;
  {
    Held held(engine_.ledger);
    piece = move.piece;
    if (piece)
      advance(engine_, held, *piece, move.failed ? Step::AbortEvict : Step::Leave, move.cause);
    if (move.failed) piece = nullptr;
  }
  engine_.changed.notify_all();
  if (piece) {
    const bool gone = change_over(*piece, move.backups);
    step(*piece, gone ? Step::EndEvict : Step::AbortEvict, move.cause);
  }
  device_.backups.give(move.backups);
}

void Mover::end_in(Move& move) noexcept {
  Piece& piece = *move.piece;
  device_.backups.give(piece.backups);
  Held held(engine_.ledger);
  piece.arrived = nullptr;
  advance(engine_, held, piece, Step::EndFetch, move.cause);
  held.unlock();
  engine_.changed.notify_all();
}

void Mover::end(std::deque<Move> Device::*direction, std::deque<Move>::iterator at) noexcept {
  const bool out = direction == &Device::outs;
  if (at->event) at->lane->spare.push_back(at->event);
  if (out)
    end_out(*at);
  else
    end_in(*at);
  Held held(engine_.ledger);
  (device_.*direction).erase(at);
}

// The driver's answer about the end of a copy. Asking may fail where the copy did not: the lane
// itself says which.
void Mover::note(Move& move, CUresult result) noexcept {
  if (result == CUDA_SUCCESS) return;
  const CUresult lane = engine_.driver.cuStreamSynchronize(move.lane->stream);
  move.failed = lane != CUDA_SUCCESS;
  if (move.failed)
    log(LogLevel::Warn, "copying a piece failed: {}", error_name(engine_.driver, lane));
}

bool Mover::wait(Move& move, milliseconds patience) noexcept {
  const Driver& driver = engine_.driver;
  ContextScope scope(driver, move.lane->context);
  CUresult result;
  if (engine_.config.lockstep || patience == kForever) {
    result = driver.cuEventSynchronize(move.event);
  } else {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while ((result = driver.cuEventQuery(move.event)) == CUDA_ERROR_NOT_READY) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(kPoll);
    }
  }
  note(move, result);
  return true;
}

bool Mover::settle_oldest(std::deque<Move> Device::*direction) noexcept {
  // Only the token's holder adds and takes away: the place in the queue is ours.
  std::deque<Move>& moves = device_.*direction;
  if (moves.empty() || !wait(moves.front(), kPatience)) return false;
  end(direction, moves.begin());
  return true;
}

bool Mover::settle_first() noexcept {
  if (device_.outs.empty() || device_.ins.empty())
    return settle_oldest(device_.ins.empty() ? &Device::outs : &Device::ins);
  if (!engine_.config.lockstep) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    const size_t before = device_.outs.size() + device_.ins.size();
    while (std::chrono::steady_clock::now() < deadline) {
      settle();
      if (device_.outs.size() + device_.ins.size() < before) return true;
      std::this_thread::sleep_for(kPoll);
    }
    return false;
  }
  const Move &out = device_.outs.front(), &in = device_.ins.front();
  ContextScope scope(engine_.driver, out.lane->context);
  return settle_oldest(comes_first(out.event, in.event) ? &Device::outs : &Device::ins);
}

// Lock-step. Asked for, both have really happened; which comes first, their times tell.
bool Mover::comes_first(CUevent one, CUevent other) noexcept {
  const Driver& driver = engine_.driver;
  driver.cuEventQuery(one);
  driver.cuEventQuery(other);
  float later = 0;
  return driver.cuEventElapsedTime(&later, one, other) != CUDA_SUCCESS || later >= 0;
}

bool Mover::wait_for_first(const Range& range) noexcept {
  const Driver& driver = engine_.driver;
  if (!engine_.config.lockstep) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
      const size_t before = device_.outs.size();
      settle();
      if (device_.outs.size() < before || engine_.completion.idle(range)) return true;
      std::this_thread::sleep_for(kPoll);
    }
    return false;
  }
  const CUevent end = engine_.completion.end_of(range);
  if (!end) return engine_.completion.idle(range) || settle_oldest(&Device::outs);
  ContextScope scope(driver, range.context);
  if (!device_.outs.empty() && comes_first(device_.outs.front().event, end))
    return settle_oldest(&Device::outs);
  return driver.cuEventSynchronize(end) == CUDA_SUCCESS;
}

void Mover::settle() noexcept {
  for (const auto direction : {&Device::outs, &Device::ins}) {
    std::deque<Move>& moves = device_.*direction;
    for (size_t i = 0; i < moves.size();) {
      ContextScope scope(engine_.driver, moves[i].lane->context);
      const CUresult result = engine_.driver.cuEventQuery(moves[i].event);
      if (result == CUDA_ERROR_NOT_READY) {
        i++;  // one of another lane may be over
        continue;
      }
      note(moves[i], result);
      end(direction, moves.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

template <class Match>
void Mover::settle_those(const Match& match, milliseconds patience) noexcept {
  for (const auto direction : {&Device::outs, &Device::ins}) {
    std::deque<Move>& moves = device_.*direction;
    for (size_t i = 0; i < moves.size();) {
      if (!match(moves[i])) {
        i++;
        continue;
      }
      if (!wait(moves[i], patience)) return;
      end(direction, moves.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

void Mover::settle_range(const Range& range) noexcept {
  settle_those([&](const Move& move) { return move.address - range.body < range.extent; },
               kForever);
}

void Mover::settle_context(CUcontext context) noexcept {
  settle_those([&](const Move& move) { return move.lane->context == context; }, kForever);
}

void Mover::settle_rest() noexcept {
  settle_those([](const Move&) { return true; }, kPatience);
}

bool Mover::full(std::deque<Move> Device::*direction, size_t more,
                 uint64_t more_bytes) const noexcept {
  uint64_t bytes = more_bytes;
  for (const Move& move : device_.*direction) bytes += move.bytes;
  return (device_.*direction).size() + more >= kQueuedMoves && bytes >= kQueuedBytes;
}

void Mover::drop(Range& range) noexcept {
  settle_range(range);
  for (Piece& piece : range.pieces) {
    if (piece.residency == Residency::Unbacked) continue;
    CUresult result = CUDA_SUCCESS;
    if (piece.residency == Residency::Device)
      result = unmap(piece, piece.chunks);
    else if (piece.mapped)
      result = unmap(piece, piece.backups);
    if (result != CUDA_SUCCESS) {
      // The address cannot be reused; neither can what is mapped there. Lost, said, and correct.
      log(LogLevel::Warn, "cuMemUnmap of a freed allocation failed: {}; {} MiB stay mapped",
          error_name(engine_.driver, result), piece.bytes >> 20);
      continue;
    }
    piece.mapped = false;
    device_.chunks.give(piece.chunks);
    device_.backups.give(piece.backups);
    step(piece, Step::Drop, Cause::Free);
    device_.foresight.forget(piece.id);
  }
}

}  // namespace spillway
