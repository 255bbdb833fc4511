// SPDX-License-Identifier: Apache-2.0
// How moves begin. How they end: mover_settle.cpp.
#include "runtime/mover.h"

#include "runtime/context_scope.h"
#include "runtime/errors.h"
#include "runtime/ledger.h"
#include "runtime/log.h"

namespace spillway {

Lanes* Mover::lanes(CUcontext context) noexcept {
  const auto known = device_.lanes.find(context);
  if (known != device_.lanes.end()) return &known->second;
  const Driver& driver = engine_.driver;
  ContextScope scope(driver, context);
  Lanes fresh;
  // Priority 0 is the lowest: copies use engines of their own and must not delay launches.
  for (Lane* lane : {&fresh.out, &fresh.in}) {
    lane->context = context;
    const CUresult result =
        driver.cuStreamCreateWithPriority(&lane->stream, CU_STREAM_NON_BLOCKING, 0);
    if (result == CUDA_SUCCESS) continue;
    log(LogLevel::Warn, "no stream for moving memory: cuStreamCreate failed: {}",
        error_name(driver, result));
    if (fresh.out.stream) driver.cuStreamDestroy_v2(fresh.out.stream);
    return nullptr;
  }
  return &(device_.lanes[context] = fresh);
}

CUevent Mover::mark(Lane& lane) noexcept {
  const Driver& driver = engine_.driver;
  CUevent event = nullptr;
  if (!lane.spare.empty()) {
    event = lane.spare.back();
    lane.spare.pop_back();
  } else if (driver.cuEventCreate(
                 &event, engine_.config.lockstep ? CU_EVENT_DEFAULT : CU_EVENT_DISABLE_TIMING) !=
             CUDA_SUCCESS) {
    return nullptr;
  }
  if (driver.cuEventRecord(event, lane.stream) == CUDA_SUCCESS) return event;
  lane.spare.push_back(event);
  return nullptr;
}

bool Mover::step(Piece& piece, Step step, Cause cause) noexcept {
  Held held(engine_.ledger);
  const bool done = advance(engine_, held, piece, step, cause);
  held.unlock();
  engine_.changed.notify_all();
  return done;
}

bool Mover::copy_out(Piece& piece, Lane& lane, std::vector<Backup>& backups) noexcept {
  Waited waited = engine_.completion.order_after_uses(*piece.range, lane.stream);
  // Another thread's per-thread stream: only the host can wait for it.
  if (waited == Waited::Unknown) waited = engine_.completion.wait_for_uses(*piece.range);
  if (waited != Waited::Done) {
    log(LogLevel::Debug, "piece {} stays: {}", piece.id,
        waited == Waited::Unknown ? "a stream that used it is capturing"
                                  : "waiting for a stream that used it failed");
    return false;
  }
  CUdeviceptr at = address_of(piece);
  for (const Backup& backup : backups) {
    if (engine_.driver.cuMemcpyAsync(backup.address, at, backup.bytes, lane.stream) != CUDA_SUCCESS)
      return false;
    at += backup.bytes;
  }
  return true;
}

std::vector<Piece*> Mover::evict(std::span<Piece* const> pieces, Cause cause) noexcept {
  std::vector<Piece*> refused;
  // Launches that saw the ranges settled may still be on their way to the driver.
  drain_gates();
  for (Piece* piece : pieces) {
    Held held(engine_.ledger);
    if (piece->residency != Residency::Evicting) continue;  // taken back before its turn
    const CUcontext context = piece->range->context;        // another's, when that range is reused
    Move move{piece, cause, address_of(*piece), piece->bytes, nullptr, nullptr, {}};
    held.unlock();
    ContextScope scope(engine_.driver, context);
    Lanes* both = lanes(context);
    if (both && device_.backups.take(piece->bytes, &move.backups)) {
      move.lane = &both->out;
      if (copy_out(*piece, both->out, move.backups)) move.event = mark(both->out);
      // Part of a copy may be queued: nothing of the backup may be reused before it is over.
      if (!move.event) engine_.driver.cuStreamSynchronize(both->out.stream);
    }
    held.lock();
    if (move.event) {
      // Taken back while the copy was queued: its backup is in use all the same until that ends.
      if (piece->residency != Residency::Evicting) move.piece = nullptr;
      device_.outs.push_back(std::move(move));
      continue;
    }
    if (piece->residency == Residency::Evicting)
      advance(engine_, held, *piece, Step::AbortEvict, cause);
    held.unlock();
    device_.backups.give(move.backups);
    engine_.changed.notify_all();
    refused.push_back(piece);
  }
  return refused;
}

bool Mover::fetch(Piece& piece, std::vector<Chunk>& chunks, Cause cause) noexcept {
  const Driver& driver = engine_.driver;
  ContextScope scope(driver, piece.range->context);
  const auto abort = [&](const char* what, CUresult result) {
    log(result == CUDA_ERROR_NOT_READY ? LogLevel::Debug : LogLevel::Warn,
        "fetching piece {}: {} failed: {}", piece.id, what, error_name(driver, result));
    device_.chunks.give(chunks);
    step(piece, Step::AbortFetch, cause);
    return false;
  };
  Lanes* both = lanes(piece.range->context);
  if (!both) return abort("cuStreamCreate", CUDA_ERROR_UNKNOWN);
  drain_gates();
  // Work that used it in place must be over, seen from the host, before the address is unmapped.
  // Copy-only: nothing is mapped, nothing can have used it.
  if (piece.mapped) {
    const Waited waited = engine_.completion.wait_for_uses(*piece.range);
    if (waited !=
        Waited::Done)  // NOT_READY: a capture is in the way; it is used in place meanwhile
      return abort("waiting for its users",
                   waited == Waited::Unknown ? CUDA_ERROR_NOT_READY : CUDA_ERROR_UNKNOWN);
    const CUresult result = unmap(piece, piece.backups);
    if (result != CUDA_SUCCESS) return abort("cuMemUnmap", result);
    piece.mapped = false;
  }
  CUresult result = map(piece, chunks);
  const char* what = "cuMemMap";
  CUevent arrived = nullptr;
  if (result == CUDA_SUCCESS) {
    what = "cuMemcpyAsync";
    CUdeviceptr at = address_of(piece);
    for (const Backup& backup : piece.backups) {
      if (result == CUDA_SUCCESS)
        result = driver.cuMemcpyAsync(at, backup.address, backup.bytes, both->in.stream);
      at += backup.bytes;
    }
    arrived = result == CUDA_SUCCESS ? mark(both->in) : nullptr;
    if (!arrived) {
      // All or part of the copy is queued, but its end cannot be told on the GPU.
      const CUresult waited = driver.cuStreamSynchronize(both->in.stream);
      if (result == CUDA_SUCCESS) result = waited;
      if (result != CUDA_SUCCESS) unmap(piece, chunks);
    }
  }
  if (result != CUDA_SUCCESS) {
    if (device_.backups.in_place()) piece.mapped = map(piece, piece.backups) == CUDA_SUCCESS;
    return abort(what, result);
  }
  piece.chunks = std::move(chunks);
  chunks.clear();
  Held held(engine_.ledger);
  piece.arrived = arrived;
  advance(engine_, held, piece, Step::Arrive, cause);
  device_.ins.push_back({&piece, cause, address_of(piece), piece.bytes, arrived, &both->in, {}});
  const auto last = std::prev(device_.ins.end());
  held.unlock();
  if (arrived)
    engine_.changed.notify_all();
  else
    end(&Device::ins, last);
  return true;
}

bool Mover::back(Piece& piece, std::vector<Chunk>& chunks) noexcept {
  const CUresult result = map(piece, chunks);
  if (result != CUDA_SUCCESS) {
    log(LogLevel::Warn, "mapping {} MiB for a new allocation failed: {}", piece.bytes >> 20,
        error_name(engine_.driver, result));
    device_.chunks.give(chunks);
    return false;
  }
  piece.chunks = std::move(chunks);
  chunks.clear();
  return step(piece, Step::Back, Cause::Allocation);
}

bool Mover::back_on_host(Piece& piece) noexcept {
  if (!device_.backups.in_place() || !device_.backups.take(piece.bytes, &piece.backups))
    return false;
  if (map(piece, piece.backups) != CUDA_SUCCESS) {
    device_.backups.give(piece.backups);
    return false;
  }
  piece.mapped = true;
  return step(piece, Step::BackHost, Cause::Allocation);
}

}  // namespace spillway
