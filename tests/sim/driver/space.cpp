// SPDX-License-Identifier: Apache-2.0
// The registry of extents.
#include "tests/sim/driver/space.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "tests/sim/driver/extents.h"
#include "tests/sim/driver/pool.h"

namespace sim {
namespace {

struct Registry {
  mutable std::shared_mutex mutex;
  std::map<CUdeviceptr, Allocation> by_base;

  std::map<CUdeviceptr, Allocation>::iterator holder(CUdeviceptr address) {
    auto it = by_base.upper_bound(address);
    if (it == by_base.begin()) return by_base.end();
    --it;
    return address - it->first < it->second.extent.size ? it : by_base.end();
  }
};

Registry& registry() {
  static auto* all = new Registry;
  return *all;
}

}  // namespace

uint64_t next_buffer_id() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

bool enter(Allocation allocation) {
  std::unique_lock lock(registry().mutex);
  auto& by_base = registry().by_base;
  const CUdeviceptr base = allocation.extent.base;
  if (registry().holder(base) != by_base.end()) return false;
  const auto next = by_base.lower_bound(base);
  if (next != by_base.end() && next->first - base < allocation.extent.size) return false;
  by_base.emplace(base, std::move(allocation));
  return true;
}

std::optional<Allocation> find(CUdeviceptr address) {
  std::shared_lock lock(registry().mutex);
  const auto it = registry().holder(address);
  if (it == registry().by_base.end()) return std::nullopt;
  return it->second;
}

std::optional<Allocation> remove(CUdeviceptr base, Extent::Kind kind) {
  std::unique_lock lock(registry().mutex);
  auto& by_base = registry().by_base;
  const auto it = by_base.find(base);
  if (it == by_base.end() || it->second.extent.kind != kind) return std::nullopt;
  std::optional<Allocation> removed(std::move(it->second));
  by_base.erase(it);
  return removed;
}

std::vector<Allocation> remove_if(const std::function<bool(const Allocation&)>& predicate) {
  std::vector<Allocation> removed;
  std::unique_lock lock(registry().mutex);
  std::erase_if(registry().by_base, [&](const auto& entry) {
    if (!predicate(entry.second)) return false;
    removed.push_back(entry.second);
    return true;
  });
  return removed;
}

bool change(CUdeviceptr address, const std::function<void(Allocation&)>& edit) {
  std::unique_lock lock(registry().mutex);
  const auto it = registry().holder(address);
  if (it == registry().by_base.end()) return false;
  edit(it->second);
  return true;
}

void change_all(const std::function<void(Allocation&)>& edit) {
  std::unique_lock lock(registry().mutex);
  for (auto& [base, allocation] : registry().by_base) edit(allocation);
}

bool find_extent(CUdeviceptr address, Extent* out) {
  const auto found = find(address);
  if (found) *out = found->extent;
  return found.has_value();
}

bool accessible(int device, CUdeviceptr address, size_t bytes, bool write) {
  const CUdeviceptr end = address + bytes;
  if (end < address) return false;
  const Access needed = write ? Access::ReadWrite : Access::Read;
  std::shared_lock lock(registry().mutex);
  while (address < end) {
    const auto it = registry().holder(address);
    if (it != registry().by_base.end() && it->second.extent.kind != Extent::Kind::Pool) {
      if (it->second.rights.of(device) < needed) return false;
      address = it->first + it->second.extent.size;
    } else if (const CUdeviceptr backed = pool_memory_end(device, address)) {
      // A freed block of a pool can still be touched: what the program then gets is garbage.
      address = backed;
    } else {
      return false;
    }
  }
  return true;
}

int reach(int device, CUdeviceptr address, size_t bytes, bool write) {
  if (accessible(device, address, bytes, write)) return device;
  const auto found = find(address);
  if (!found || !found->owner || found->extent.device == device) return -1;
  const int owner = found->extent.device;
  return accessible(owner, address, bytes, write) ? owner : -1;
}

}  // namespace sim
