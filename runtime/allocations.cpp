// SPDX-License-Identifier: Apache-2.0
// Allocation and free. Large requests become ranges; small ones, and those in pools that must stay
// the driver's, are passed on and accounted.
#include <algorithm>

#include "runtime/capture.h"
#include "runtime/errors.h"
#include "runtime/ledger.h"
#include "runtime/limit_file.h"
#include "runtime/log.h"
#include "runtime/manager.h"
#include "runtime/mover_thread.h"
#include "runtime/residents.h"
#include "runtime/room.h"
#include "runtime/seams.h"
#include "runtime/tell.h"

namespace spillway {

namespace {

// Passes an allocation to the driver; when that is out of memory, frees some of ours and tries
// again.
template <class Call>
CUresult pass(Engine& engine, CUdeviceptr* out, uint64_t bytes, Call&& call) {
  Device* device = engine.device();
  // Counted before it is there: ours makes way first, and the limit holds at every moment. What
  // could never be had moves nothing.
  const uint64_t counted = device && out && bytes < device->total ? bytes : 0;
  if (counted) {
    device->external += counted;
    if (device->chunks.held() > device->budget()) {
      Held held(engine.ledger);
      as_mover(engine, *device, held,
               [&](Held& mine) { Room(engine, *device, mine, {}).shrink(true); });
    }
  }
  CUresult result = call();
  if (result == CUDA_ERROR_OUT_OF_MEMORY && device && bytes < device->total) {
    while (result == CUDA_ERROR_OUT_OF_MEMORY &&
           relieve(engine, *device, round_up(bytes, kGranule)))
      result = call();
    device->chunks.ask_again();
  }
  if (result != CUDA_SUCCESS) {
    if (counted) device->external -= counted;
    return result;
  }
  engine.counters.allocations++;
  if (!counted) return result;
  const CUcontext context = engine.context();
  std::lock_guard held(engine.accounts);
  engine.externals[*out] = {bytes, device->ordinal, context};
  tell_outside(*device);
  return result;
}

// While nobody records anything, the driver is not asked.
bool may_record(const Driver& driver, StreamRef ref) {
  return fast_path.captures.load(std::memory_order_relaxed) && is_capturing(driver, ref);
}

void account_free(Engine& engine, CUdeviceptr address) {
  engine.counters.frees++;
  uint64_t bytes = 0;
  {
    std::lock_guard held(engine.accounts);
    const auto found = engine.externals.find(address);
    if (found == engine.externals.end()) return;
    bytes = found->second.bytes;
    if (Device* device = engine.device(found->second.device)) {
      device->external -= bytes;
      tell_outside(*device);
    }
    engine.externals.erase(found);
  }
  if (!engine.hidden.any()) return;
  Held held(engine.ledger);
  engine.hidden.wipe(engine, held, address, bytes);
}

// A freed range of the same size whose bytes nobody can still be using.
Range* reuse(Engine& engine, const Held& held, Device& device, CUcontext context, uint64_t bytes,
             StreamState* stream) {
  const uint64_t most = round_up(bytes, kGranule);
  for (auto size = engine.cached.lower_bound(bytes);
       size != engine.cached.end() && size->first <= most; ++size) {
    // Newest first: it is the likeliest to be on the device, and in the same stream.
    auto& list = size->second;
    for (auto each = list.rbegin(); each != list.rend(); ++each) {
      Range* range = *each;
      if (range->device != device.ordinal || range->pins) continue;
      if (range->joined.load() && range->context != context) continue;
      if (!std::ranges::all_of(parts_of(*range),
                               [](Range* part) { return !part || settled(*part); }))
        continue;
      const bool same_stream = stream && range->freed_on == stream->id;
      if (!same_stream && !engine.completion.idle(*range)) continue;
      uncache(engine, held, *range);
      return range;
    }
  }
  return nullptr;
}

void after_free(Engine& engine, const Held& held, Range& range) {
  engine.said_exhausted = false;
  engine.counters.frees++;
  if (range.graphs)
    range.life = Life::Zombie;
  else
    cache(engine, held, range);
}

// Host memory for what will not fit is made aside, before it is needed: pinning is slower than the
// link.
void prepare_host(Engine& engine, Device& device, uint64_t live, CUcontext context) {
  const uint64_t budget = device.budget(), near = budget - budget / 8;
  if (live <= near || engine.config.lockstep) return;
  const uint64_t wanted = std::min(live - near, engine.host_limit);
  if (wanted > device.backups.made()) device.backups.prepare_aside(wanted, context);
}

// The device whose memory it will be. Null: it is left to the driver.
Device* server(Engine& engine, uint64_t bytes) {
  if (bytes < engine.config.min_size.count || engine.callers.excluded()) return nullptr;
  return engine.device();
}

// `stream`: of a stream-ordered allocation.
CUresult serve(Engine& engine, Device& device, CUdeviceptr* out, uint64_t bytes,
               StreamState* ordered, CUmemoryPool pool, bool stream_ordered) {
  const CUcontext context = engine.context();
  const uint64_t site = engine.callers.site();
  Held held(engine.ledger);
  if (engine.config.lockstep && !engine.config.limit_file.empty())
    as_mover(engine, device, held, [&](Held& mine) {
      if (refresh_limit(engine, device)) Room(engine, device, mine, {}).shrink(true);
    });
  const uint64_t extent = round_up(bytes, kGranule);
  // Copy-only, a full device can trade pieces with a full host only through a spare place.
  const uint64_t spare = device.backups.in_place() ? 0 : device.piece_bytes;
  const uint64_t most =
      device.limit.load() + engine.host_limit - std::min(engine.host_limit, spare);
  if (extent < bytes || device.live_bytes > most || extent > most - device.live_bytes) {
    engine.counters.refused++;
    // It could never be backed, wherever everything else went.
    return exhausted(engine, device, "an allocation", bytes);
  }
  Range* range = reuse(engine, held, device, context, bytes, ordered);
  const bool reused = range != nullptr;
  if (!reused) range = new_range(engine, held, device, context, bytes);
  if (!range) {
    engine.counters.refused++;
    log(LogLevel::Warn, "out of address space: {} MiB do not fit in what is left of SPILLWAY_ARENA",
        bytes >> 20);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  range->bytes = bytes;
  range->still = 0;
  range->context = context;
  range->pool = pool;
  range->stream_ordered = stream_ordered;
  range->freed_on = 0;
  range->buffer_id = ++engine.buffer_ids;
  range->site = site;
  if (reused) {
    come_alive(engine, held, device, *range);
  } else {
    held.unlock();
    const CUresult backed = back_range(engine, device, *range);
    held.lock();
    if (backed != CUDA_SUCCESS) {
      engine.counters.refused++;
      retire(engine, held, *range);
      return backed;
    }
  }
  engine.counters.allocations++;
  *out = range->base;
  const uint64_t live = device.live_bytes;
  held.unlock();
  prepare_host(engine, device, live, context);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult Manager::allocate(CUdeviceptr* out, size_t bytes) noexcept {
  Device* device = out ? server(engine_, bytes) : nullptr;
  if (device) return serve(engine_, *device, out, bytes, nullptr, nullptr, false);
  return pass(engine_, out, bytes, [&] { return engine_.driver.cuMemAlloc_v2(out, bytes); });
}

CUresult Manager::allocate_pitch(CUdeviceptr* out, size_t* pitch, size_t width, size_t height,
                                 unsigned element) noexcept {
  // 512 bytes is the pitch that the driver chooses on every device seen; its own answer for one row
  // of this width is taken where it can be had.
  constexpr size_t kPitchUnit = 512;
  size_t bytes = 0;
  const bool sane = out && pitch && width && height &&
                    (element == 4 || element == 8 || element == 16) &&
                    width <= SIZE_MAX - kPitchUnit &&
                    !__builtin_mul_overflow(round_up(width, kPitchUnit), height, &bytes);
  Device* device = sane ? server(engine_, bytes) : nullptr;
  if (!device)
    return pass(engine_, out, bytes, [&] {
      return engine_.driver.cuMemAllocPitch_v2(out, pitch, width, height, element);
    });
  const CUresult result = serve(engine_, *device, out, bytes, nullptr, nullptr, false);
  if (result == CUDA_SUCCESS) *pitch = round_up(width, kPitchUnit);
  return result;
}

CUresult Manager::allocate_async(CUdeviceptr* out, size_t bytes, CUmemoryPool pool,
                                 StreamRef ref) noexcept {
  const Driver& driver = engine_.driver;
  const auto from_driver = [&] {
    const CUstream handle = !ref.handle && ref.per_thread ? CU_STREAM_PER_THREAD : ref.handle;
    return pool ? driver.cuMemAllocFromPoolAsync(out, bytes, pool, handle)
                : driver.cuMemAllocAsync(out, bytes, handle);
  };
  Device* device = out ? server(engine_, bytes) : nullptr;
  if (device && pool) {
    // Only the device's own pools: one that the application made may be meant for export, for the
    // host, or for another device.
    CUmemoryPool own = nullptr;
    driver.cuDeviceGetDefaultMemPool(&own, device->ordinal);
    if (pool != own) device = nullptr;
  }
  // In a capture the allocation belongs to the graph. A handle that is no stream is the driver's to
  // judge.
  StreamState* stream = nullptr;
  if (device && !may_record(driver, ref)) stream = engine_.completion.resolve(ref, thread_state());
  if (!stream) return pass(engine_, out, bytes, from_driver);
  return serve(engine_, *device, out, bytes, stream, pool, true);
}

CUresult Manager::release(CUdeviceptr address) noexcept {
  if (!engine_.arena.contains(address)) {
    const CUresult result = engine_.driver.cuMemFree_v2(address);
    if (result == CUDA_SUCCESS) account_free(engine_, address);
    return result;
  }
  Held held(engine_.ledger);
  Range* range = find_live(engine_, held, address);
  if (!range || range->base != address) return CUDA_ERROR_INVALID_VALUE;
  // Nobody else finds it while the ledger is released.
  end_life(engine_, held, *engine_.device(range->device), *range, Life::Freeing);
  rescue(engine_, held, *range, Cause::Free);
  held.unlock();
  // cuMemFree promises that work submitted before it is over; nobody waits, but nobody gets the
  // memory before either.
  engine_.completion.mark_all_streams(*range);
  held.lock();
  range->freed_on = 0;
  after_free(engine_, held, *range);
  held.unlock();
  engine_.changed.notify_all();
  return CUDA_SUCCESS;
}

CUresult Manager::release_async(CUdeviceptr address, StreamRef ref) noexcept {
  const Driver& driver = engine_.driver;
  StreamState* stream =
      engine_.arena.contains(address) ? engine_.completion.resolve(ref, thread_state()) : nullptr;
  if (!stream) {
    const CUstream handle = !ref.handle && ref.per_thread ? CU_STREAM_PER_THREAD : ref.handle;
    const CUresult result = driver.cuMemFreeAsync(address, handle);
    if (result == CUDA_SUCCESS) account_free(engine_, address);
    return result;
  }
  if (may_record(driver, ref)) return CUDA_ERROR_INVALID_VALUE;  // only a graph's own memory
  Held held(engine_.ledger);
  Range* range = find_live(engine_, held, address);
  if (!range || range->base != address || !range->stream_ordered) return CUDA_ERROR_INVALID_VALUE;
  Completion::mark(*range, stream, use_clock.fetch_add(1, std::memory_order_seq_cst));
  stream->last.store(use_clock.load(), std::memory_order_relaxed);
  range->freed_on = stream->id;
  end_life(engine_, held, *engine_.device(range->device), *range, Life::Freeing);
  rescue(engine_, held, *range, Cause::Free);
  after_free(engine_, held, *range);
  return CUDA_SUCCESS;
}

void Manager::application_created(CUmemGenericAllocationHandle handle, size_t bytes,
                                  const CUmemAllocationProp& properties) noexcept {
  if (properties.location.type != CU_MEM_LOCATION_TYPE_DEVICE) return;
  Device* device = properties.location.id >= 0 && properties.location.id < Engine::kMaxDevices
                       ? engine_.device(properties.location.id)
                       : nullptr;
  if (!device) return;
  device->external += bytes;
  tell_outside(*device);
  std::lock_guard held(engine_.accounts);
  engine_.application_handles[handle] = {bytes, device->ordinal, nullptr};
}

void Manager::application_released(CUmemGenericAllocationHandle handle) noexcept {
  std::lock_guard held(engine_.accounts);
  const auto found = engine_.application_handles.find(handle);
  if (found == engine_.application_handles.end()) return;
  Device& device = *engine_.device(found->second.device);
  device.external -= found->second.bytes;
  tell_outside(device);
  engine_.application_handles.erase(found);
}

}  // namespace spillway
