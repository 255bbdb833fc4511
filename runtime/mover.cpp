// SPDX-License-Identifier: Apache-2.0
#include "runtime/mover.h"

#include <set>

#include "runtime/context_scope.h"
#include "runtime/errors.h"
#include "runtime/ledger.h"
#include "runtime/log.h"

namespace spillway {

namespace {
CUdeviceptr address_of(const Piece& piece) {
  return piece.range->base + piece.offset;
}
}  // namespace

Lanes* Mover::lanes(CUcontext context) noexcept {
  const auto known = device_.lanes.find(context);
  if (known != device_.lanes.end()) return &known->second;
  const Driver& driver = engine_.driver;
  ContextScope scope(driver, context);
  Lanes lanes;
  // Priority 0 is the lowest: copies use engines of their own and must not delay launches.
  for (CUstream* stream : {&lanes.out, &lanes.in}) {
    const CUresult result = driver.cuStreamCreateWithPriority(stream, CU_STREAM_NON_BLOCKING, 0);
    if (result == CUDA_SUCCESS) continue;
    log(LogLevel::Warn, "no stream for moving memory: cuStreamCreate failed: {}",
        error_name(driver, result));
    if (lanes.out) driver.cuStreamDestroy_v2(lanes.out);
    return nullptr;
  }
  return &(device_.lanes[context] = lanes);
}

// Several handles, one address range: mapped one after the other, opened by one call.
template <class Parts>
CUresult Mover::map(const Piece& piece, const Parts& parts) noexcept {
  const Driver& driver = engine_.driver;
  CUdeviceptr at = address_of(piece);
  size_t mapped = 0;
  CUresult result = CUDA_SUCCESS;
  for (const auto& part : parts) {
    result = driver.cuMemMap(at, part.bytes, 0, part.handle, 0);
    if (result != CUDA_SUCCESS) break;
    at += part.bytes;
    mapped++;
  }
  if (result == CUDA_SUCCESS) {
    const CUmemAccessDesc access{{CU_MEM_LOCATION_TYPE_DEVICE, device_.ordinal},
                                 CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    result = driver.cuMemSetAccess(address_of(piece), piece.bytes, &access, 1);
    if (result == CUDA_SUCCESS) return result;
  }
  at = address_of(piece);
  for (size_t i = 0; i < mapped; at += parts[i++].bytes) driver.cuMemUnmap(at, parts[i].bytes);
  return result;
}

template <class Parts>
CUresult Mover::unmap(const Piece& piece, const Parts& parts) noexcept {
  CUdeviceptr at = address_of(piece);
  for (size_t i = 0; i < parts.size(); at += parts[i++].bytes) {
    const CUresult result = engine_.driver.cuMemUnmap(at, parts[i].bytes);
    if (result == CUDA_SUCCESS) continue;
    // Put back what was already taken away, so that the piece stays whole.
    const CUmemAccessDesc access{{CU_MEM_LOCATION_TYPE_DEVICE, device_.ordinal},
                                 CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUdeviceptr back = address_of(piece);
    for (size_t k = 0; k < i; back += parts[k++].bytes) {
      engine_.driver.cuMemMap(back, parts[k].bytes, 0, parts[k].handle, 0);
      engine_.driver.cuMemSetAccess(back, parts[k].bytes, &access, 1);
    }
    return result;
  }
  return CUDA_SUCCESS;
}

bool Mover::finish(Piece& piece, Step step, Cause cause) noexcept {
  Held held(engine_.ledger);
  const bool done = advance(engine_, held, piece, step, cause);
  held.unlock();
  engine_.changed.notify_all();
  return done;
}

bool Mover::copy_out(Piece& piece, Lanes& lanes) noexcept {
  Waited waited = engine_.completion.order_after_uses(*piece.range, lanes.out);
  // Another thread's per-thread stream: only the host can wait for it.
  if (waited == Waited::Unknown) waited = engine_.completion.wait_for_uses(*piece.range);
  if (waited != Waited::Done) {
    log(LogLevel::Debug, "piece {} stays: {}", piece.id,
        waited == Waited::Unknown ? "a stream that used it is capturing"
                                  : "waiting for a stream that used it failed");
    return false;
  }
  CUdeviceptr at = address_of(piece);
  for (const Backup& backup : piece.backups) {
    if (engine_.driver.cuMemcpyAsync(backup.address, at, backup.bytes, lanes.out) != CUDA_SUCCESS)
      return false;
    at += backup.bytes;
  }
  return true;
}

// The copy is complete: the address changes over to the backup.
bool Mover::settle_on_host(Piece& piece) noexcept {
  const Driver& driver = engine_.driver;
  CUresult result = unmap(piece, piece.chunks);
  if (result != CUDA_SUCCESS) {
    log(LogLevel::Warn, "evicting piece {}: cuMemUnmap failed: {}; it stays on the device",
        piece.id, error_name(driver, result));
    return false;
  }
  piece.mapped = false;
  if (device_.backups.in_place()) {
    result = map(piece, piece.backups);
    piece.mapped = result == CUDA_SUCCESS;
    if (!piece.mapped) {
      log(LogLevel::Warn, "evicting piece {}: mapping its backup failed: {}", piece.id,
          error_name(driver, result));
      if (map(piece, piece.chunks) == CUDA_SUCCESS) return false;
      // The bytes are safe on the host; the next use must fetch them.
    }
  }
  device_.chunks.give(piece.chunks);
  return true;
}

uint64_t Mover::evict(std::span<Piece* const> pieces, Cause cause) noexcept {
  std::vector<Piece*> leaving;
  std::set<Lanes*> used;
  uint64_t freed = 0;
  const auto abort = [&](Piece& piece) {
    device_.backups.give(piece.backups);
    finish(piece, Step::AbortEvict, cause);
  };
  // Launches that saw the ranges settled may still be on their way to the driver.
  drain_gates();
  for (Piece* piece : pieces) {
    ContextScope scope(engine_.driver, piece->range->context);
    Lanes* lane = lanes(piece->range->context);
    if (lane && device_.backups.take(piece->bytes, &piece->backups) && copy_out(*piece, *lane)) {
      leaving.push_back(piece);
      used.insert(lane);
    } else {
      // Part of a copy may be queued: nothing of the backup may be reused before it is over.
      if (lane) engine_.driver.cuStreamSynchronize(lane->out);
      abort(*piece);
    }
  }
  CUresult copied = CUDA_SUCCESS;
  for (Lanes* lane : used) {
    const CUresult result = engine_.driver.cuStreamSynchronize(lane->out);
    if (result != CUDA_SUCCESS) copied = result;
  }
  if (copied != CUDA_SUCCESS)
    log(LogLevel::Warn, "copying {} pieces to the host failed: {}; they stay on the device",
        leaving.size(), error_name(engine_.driver, copied));
  for (Piece* piece : leaving) {
    if (copied != CUDA_SUCCESS || !settle_on_host(*piece)) {
      abort(*piece);
      continue;
    }
    freed += piece->bytes;
    finish(*piece, Step::EndEvict, cause);
  }
  return freed;
}

bool Mover::fetch(Piece& piece, std::vector<Chunk>& chunks, Cause cause) noexcept {
  const Driver& driver = engine_.driver;
  ContextScope scope(driver, piece.range->context);
  const auto abort = [&](const char* what, CUresult result) {
    log(result == CUDA_ERROR_NOT_READY ? LogLevel::Debug : LogLevel::Warn,
        "fetching piece {}: {} failed: {}", piece.id, what, error_name(driver, result));
    device_.chunks.give(chunks);
    finish(piece, Step::AbortFetch, cause);
    return false;
  };
  Lanes* lane = lanes(piece.range->context);
  if (!lane) return abort("cuStreamCreate", CUDA_ERROR_UNKNOWN);
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
  if (result == CUDA_SUCCESS) {
    what = "cuMemcpyAsync";
    CUdeviceptr at = address_of(piece);
    for (const Backup& backup : piece.backups) {
      if (result == CUDA_SUCCESS)
        result = driver.cuMemcpyAsync(at, backup.address, backup.bytes, lane->in);
      at += backup.bytes;
    }
    const CUresult waited = driver.cuStreamSynchronize(lane->in);
    if (result == CUDA_SUCCESS) result = waited;
    if (result != CUDA_SUCCESS) unmap(piece, chunks);
  }
  if (result != CUDA_SUCCESS) {
    if (device_.backups.in_place()) piece.mapped = map(piece, piece.backups) == CUDA_SUCCESS;
    return abort(what, result);
  }
  piece.chunks = std::move(chunks);
  chunks.clear();
  device_.backups.give(piece.backups);
  return finish(piece, Step::EndFetch, cause);
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
  return finish(piece, Step::Back, Cause::Allocation);
}

bool Mover::back_on_host(Piece& piece) noexcept {
  if (!device_.backups.in_place() || !device_.backups.take(piece.bytes, &piece.backups))
    return false;
  if (map(piece, piece.backups) != CUDA_SUCCESS) {
    device_.backups.give(piece.backups);
    return false;
  }
  piece.mapped = true;
  return finish(piece, Step::BackHost, Cause::Allocation);
}

void Mover::drop(Range& range) noexcept {
  for (Piece& piece : range.pieces) {
    if (piece.residency == Residency::Unbacked) continue;
    const bool device = piece.residency == Residency::Device;
    CUresult result = CUDA_SUCCESS;
    if (device)
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
    finish(piece, Step::Drop, Cause::Free);
    device_.policy->forget(piece.id);
  }
}

}  // namespace spillway
