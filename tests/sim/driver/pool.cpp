// SPDX-License-Identifier: Apache-2.0
// What a pool does with its memory.
#include "tests/sim/driver/pool.h"

#include <algorithm>
#include <limits>
#include <shared_mutex>

#include "tests/sim/driver/device.h"
#include "tests/sim/driver/extents.h"
#include "tests/sim/driver/peer.h"
#include "tests/sim/driver/streams.h"
#include "tests/sim/driver/vmm.h"
#include "tests/sim/ptx/fault.h"

namespace sim {
namespace {

constexpr uint64_t kBlock = 512;      // blocks begin at multiples of it
constexpr size_t kGarbage = 1 << 20;  // how much of a block's ends is overwritten

// Chunks of all pools. Apart from the pools' own locks, because copies ask while pools are at work.
struct ChunkTable {
  std::shared_mutex mutex;
  struct Entry {
    uint64_t size;
    Rights rights;
  };
  std::map<CUdeviceptr, Entry> entries;
};

ChunkTable& chunk_table() {
  static auto* all = new ChunkTable;
  return *all;
}

struct Spoil {
  int device;
  CUdeviceptr address;
  uint64_t bytes;
  uint64_t salt;
};

// A race with what the program does to the block is the point: it shows a missing dependency. So is
// memory that is gone: the program has freed the block elsewhere without waiting for this.
__attribute__((no_sanitize("thread"))) void spoil(int device, CUdeviceptr address, uint64_t bytes,
                                                  uint64_t salt) {
  Spoil ends{device, address, bytes, salt};
  uint64_t fault = 0;
  run_guarded(
      [](void* argument) {
        const auto& [owner, at, size, seed] = *static_cast<const Spoil*>(argument);
        const uint64_t part = std::min<uint64_t>(size, kGarbage);
        scribble(window(owner).host(at), part, seed);
        scribble(window(owner).host(at + size - part), part, seed);
      },
      &ends, &fault);
}

}  // namespace

CUdeviceptr pool_memory_end(int device, CUdeviceptr address) {
  std::shared_lock lock(chunk_table().mutex);
  auto it = chunk_table().entries.upper_bound(address);
  if (it == chunk_table().entries.begin()) return 0;
  const auto& [base, entry] = *--it;
  if (address - base >= entry.size || entry.rights.of(device) == Access::None) return 0;
  return base + entry.size;
}

Pool::Pool(int device, const CUmemPoolProps& properties, bool standard)
    : device_(device), properties_(properties), standard_(standard) {
  rights_.set(device, Access::ReadWrite);
}

Pool::~Pool() {
  settle(true);
  trim(0);
}

bool Pool::may_reuse(const Free& block, uint64_t stream, Reuse reuse) const {
  if (reuse == Reuse::Any || !block.happened || block.stream == stream) return true;
  return opportunistic_ && block.happened->load(std::memory_order_acquire);
}

// Best fit.
bool Pool::choose(uint64_t bytes, uint64_t stream, Reuse reuse, Run* out) {
  Run best;
  const auto consider = [&](const Run& run) {
    if (run.bytes >= bytes && (!best.chunk || run.bytes < best.bytes)) best = run;
  };
  for (auto& [base, chunk] : chunks_) {
    Run run{.chunk = &chunk};
    for (const auto& [address, block] : chunk.free) {
      if (!may_reuse(block, stream, reuse)) {
        consider(run);
        run = {.chunk = &chunk};
        continue;
      }
      if (run.bytes == 0 || run.begin + run.bytes != address) {
        consider(run);
        run = {.chunk = &chunk, .begin = address};
      }
      run.bytes += block.bytes;
    }
    consider(run);
  }
  *out = best;
  return best.chunk != nullptr;
}

std::vector<Pool::Flag> Pool::take(const Run& run, uint64_t bytes, uint64_t stream) {
  std::vector<Flag> pending;
  auto it = run.chunk->free.find(run.begin);
  for (uint64_t left = bytes; left != 0;) {
    const auto [address, block] = *it;
    it = run.chunk->free.erase(it);
    if (block.happened && block.stream != stream && !block.happened->load()) {
      pending.push_back(block.happened);
    }
    if (block.bytes > left) {
      Free rest = block;
      rest.bytes -= left;
      run.chunk->free.emplace(address + left, rest);
      break;
    }
    left -= block.bytes;
  }
  return pending;
}

bool Pool::grow(uint64_t bytes) {
  const uint64_t size = round_up(bytes, kGranularity);
  if (properties_.maxSize != 0 &&
      size > properties_.maxSize - std::min(properties_.maxSize, reserved_)) {
    return false;
  }
  Backing backing;
  if (!store(device_).allocate(size, size, &backing)) return false;
  const CUdeviceptr address = take_addresses(size + kGap, kGranularity);
  if (address == 0 || !show(rights_, address, backing, size)) {
    if (address != 0) give_addresses(address, size + kGap);
    store(device_).release(backing);
    return false;
  }
  Chunk& chunk = chunks_[address];
  chunk.backing = backing;
  chunk.free.emplace(address, Free{.bytes = size, .happened = nullptr});
  reserved_ += size;
  reserved_high_ = std::max(reserved_high_, reserved_);
  std::unique_lock lock(chunk_table().mutex);
  chunk_table().entries.emplace(address, ChunkTable::Entry{size, rights_});
  return true;
}

// What is freed for good loses its history, and joins its neighbours.
void Pool::settle(bool host_has_waited) {
  for (auto& [base, chunk] : chunks_) {
    for (auto& [address, block] : chunk.free) {
      const bool known = opportunistic_ || host_has_waited;
      if (block.happened && known && block.happened->load(std::memory_order_acquire)) {
        block.happened = nullptr;
      }
    }
    for (auto it = chunk.free.begin(); it != chunk.free.end();) {
      const auto next = std::next(it);
      const bool join = next != chunk.free.end() && !it->second.happened &&
                        !next->second.happened && it->first + it->second.bytes == next->first;
      if (!join) {
        it = next;
        continue;
      }
      it->second.bytes += next->second.bytes;
      chunk.free.erase(next);
    }
  }
}

void Pool::trim(uint64_t keep) {
  for (auto it = chunks_.begin(); it != chunks_.end() && reserved_ > keep;) {
    const auto& [base, chunk] = *it;
    const uint64_t size = chunk.backing.bytes;
    const bool unused = chunk.free.size() == 1 && chunk.free.begin()->second.bytes == size &&
                        !chunk.free.begin()->second.happened;
    if (!unused || reserved_ - size < keep) {
      ++it;
      continue;
    }
    {
      std::unique_lock lock(chunk_table().mutex);
      chunk_table().entries.erase(base);
    }
    hide(rights_, base, size);
    give_addresses(base, size + kGap);
    store(device_).release(chunk.backing);
    reserved_ -= size;
    it = chunks_.erase(it);
  }
}

bool Pool::find_memory(uint64_t bytes, uint64_t stream, Run* out) {
  settle(false);
  if (choose(bytes, stream, Reuse::Ordered, out)) return true;
  if (!grow(bytes)) {
    trim(0);
    if (!grow(bytes)) return internal_dependencies_ && choose(bytes, stream, Reuse::Any, out);
  }
  return choose(bytes, stream, Reuse::Ordered, out);
}

CUresult Pool::allocate(CUdeviceptr* out, size_t bytes, Stream* stream) {
  if (bytes > std::numeric_limits<size_t>::max() / 2) return CUDA_ERROR_OUT_OF_MEMORY;
  const uint64_t size = round_up(bytes, kBlock);
  std::unique_lock lock(mutex_);
  Run run;
  if (!find_memory(size, stream->id, &run)) return CUDA_ERROR_OUT_OF_MEMORY;
  const CUdeviceptr address = run.begin;
  const std::vector<Flag> pending = take(run, size, stream->id);
  Allocation made;
  made.extent = {.kind = Extent::Kind::Pool,
                 .base = address,
                 .size = bytes,
                 .type = CU_MEMORYTYPE_DEVICE,
                 .device = device_,
                 .buffer_id = next_buffer_id()};
  made.pool = handle();
  made.rights = rights_;
  made.handle_types = properties_.handleTypes;
  const uint64_t salt = made.extent.buffer_id;
  enter(std::move(made));
  auto happened = std::make_shared<std::atomic<bool>>(false);
  live_.emplace(address, Live{.bytes = size, .happened = happened});
  used_ += size;
  used_high_ = std::max(used_high_, used_);
  lock.unlock();

  Work work;
  const int device = device_;
  work.name = "cuMemAllocAsync";
  work.after_error = true;
  work.run = [=] {
    spoil(device, address, size, salt);
    happened->store(true, std::memory_order_release);
    return Done{};
  };
  if (!pending.empty()) {
    work.ready = [pending] {
      return std::ranges::all_of(pending, [](const Flag& flag) { return flag->load(); });
    };
  }
  const CUresult status = enqueue(stream, std::move(work));
  if (status != CUDA_SUCCESS) {
    happened->store(true);
    release(address, nullptr);
    return status;
  }
  *out = address;
  return CUDA_SUCCESS;
}

CUresult Pool::release(CUdeviceptr address, Stream* stream) {
  auto happened = std::make_shared<std::atomic<bool>>(false);
  std::lock_guard lock(mutex_);
  const auto live = live_.find(address);
  if (live == live_.end()) return CUDA_ERROR_INVALID_VALUE;
  const uint64_t size = live->second.bytes;
  const uint64_t salt = next_buffer_id();
  const int device = device_;
  if (stream) {
    Work work;
    work.name = "cuMemFreeAsync";
    work.after_error = true;  // the memory comes back even when the program failed
    work.run = [=] {
      spoil(device, address, size, salt);
      happened->store(true, std::memory_order_release);
      return Done{};
    };
    if (const CUresult status = enqueue(stream, std::move(work)); status != CUDA_SUCCESS) {
      return status;
    }
  } else {
    happened = live->second.happened;
    if (happened->load()) spoil(device, address, size, salt);
  }
  remove(address, Extent::Kind::Pool);
  live_.erase(live);
  used_ -= size;
  auto chunk = std::prev(chunks_.upper_bound(address));
  chunk->second.free.emplace(
      address, Free{.bytes = size, .stream = stream ? stream->id : 0, .happened = happened});
  return CUDA_SUCCESS;
}

// The pool's own device always has access; all or nothing. Blocks in use change too.
CUresult Pool::set_access(std::span<const CUmemAccessDesc> wanted) {
  for (const CUmemAccessDesc& one : wanted) {
    if (one.location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
    if (!valid_device(one.location.id)) return CUDA_ERROR_INVALID_DEVICE;
    const bool full = one.flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    const bool none = one.flags == CU_MEM_ACCESS_FLAGS_PROT_NONE;
    if (!full && (!none || one.location.id == device_)) return CUDA_ERROR_INVALID_VALUE;
    if (full && !peers_possible(one.location.id, device_)) {
      return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
    }
  }
  std::lock_guard lock(mutex_);
  for (const CUmemAccessDesc& one : wanted) {
    const Access access =
        one.flags == CU_MEM_ACCESS_FLAGS_PROT_NONE ? Access::None : Access::ReadWrite;
    if (rights_.of(one.location.id) == access) continue;
    rights_.set(one.location.id, access);
    for (const auto& [base, chunk] : chunks_) {
      if (access == Access::None) {
        hide(one.location.id, base, chunk.backing.bytes);
      } else if (!show(one.location.id, base, chunk.backing, chunk.backing.bytes, access)) {
        return CUDA_ERROR_OUT_OF_MEMORY;
      }
      std::unique_lock table(chunk_table().mutex);
      chunk_table().entries.at(base).rights = rights_;
    }
    for (const auto& [address, live] : live_) {
      change(address, [this](Allocation& allocation) { allocation.rights = rights_; });
    }
  }
  return CUDA_SUCCESS;
}

bool Pool::holds(CUdeviceptr address) {
  std::lock_guard lock(mutex_);
  return live_.contains(address);
}

bool Pool::idle() {
  std::lock_guard lock(mutex_);
  return live_.empty();
}

void Pool::trim_to(uint64_t keep) {
  std::lock_guard lock(mutex_);
  settle(false);
  trim(keep);
}

void Pool::synchronised() {
  std::lock_guard lock(mutex_);
  settle(true);
  trim(release_threshold_);
}

}  // namespace sim
