// SPDX-License-Identifier: Apache-2.0
// Which pools there are.
#include <algorithm>

#include "tests/sim/driver/device.h"
#include "tests/sim/driver/pool.h"

namespace sim {
namespace {

struct Pools {
  std::mutex mutex;
  std::map<CUmemoryPool, std::shared_ptr<Pool>> named;
  std::vector<std::shared_ptr<Pool>> all;  // the destroyed ones too, while they have blocks out
  std::map<int, std::shared_ptr<Pool>> standard, current;  // by device
};

Pools& pools() {
  static auto* all = new Pools;
  return *all;
}

std::vector<std::shared_ptr<Pool>> all_pools() {
  std::lock_guard lock(pools().mutex);
  return pools().all;
}

std::shared_ptr<Pool> add(int device, const CUmemPoolProps& properties, bool standard) {
  auto made = std::make_shared<Pool>(device, properties, standard);
  pools().named.emplace(made->handle(), made);
  pools().all.push_back(made);
  return made;
}

void forget_finished() {
  std::vector<std::shared_ptr<Pool>> finished;  // destroyed without the lock
  std::lock_guard lock(pools().mutex);
  std::erase_if(pools().all, [&](const std::shared_ptr<Pool>& pool) {
    if (pools().named.contains(pool->handle()) || !pool->idle()) return false;
    finished.push_back(pool);
    return true;
  });
}

}  // namespace

std::shared_ptr<Pool> find_pool(CUmemoryPool handle) {
  std::lock_guard lock(pools().mutex);
  const auto it = pools().named.find(handle);
  return it == pools().named.end() ? nullptr : it->second;
}

std::shared_ptr<Pool> pool_of(CUdeviceptr address) {
  for (const auto& pool : all_pools()) {
    if (pool->holds(address)) return pool;
  }
  return nullptr;
}

std::shared_ptr<Pool> default_pool(int device) {
  std::lock_guard lock(pools().mutex);
  auto& pool = pools().standard[device];
  if (!pool) {
    CUmemPoolProps properties{};
    properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, device};
    pool = add(device, properties, true);
  }
  return pool;
}

std::shared_ptr<Pool> current_pool(int device) {
  {
    std::lock_guard lock(pools().mutex);
    const auto it = pools().current.find(device);
    if (it != pools().current.end()) return it->second;
  }
  return default_pool(device);
}

void set_current_pool(int device, std::shared_ptr<Pool> pool) {
  std::lock_guard lock(pools().mutex);
  pools().current[device] = std::move(pool);
}

CUresult create_pool(CUmemoryPool* out, const CUmemPoolProps& properties) {
  if (!out || properties.allocType != CU_MEM_ALLOCATION_TYPE_PINNED)
    return CUDA_ERROR_INVALID_VALUE;
  if (properties.win32SecurityAttributes) return CUDA_ERROR_INVALID_VALUE;
  const auto zero = [](unsigned char byte) { return byte == 0; };
  if (!std::ranges::all_of(properties.reserved, zero)) return CUDA_ERROR_INVALID_VALUE;
  switch (properties.location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE:
      if (!valid_device(properties.location.id)) return CUDA_ERROR_INVALID_DEVICE;
      break;
    case CU_MEM_LOCATION_TYPE_HOST:  // HOST_MEMORY_POOLS_SUPPORTED is 0
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
      return CUDA_ERROR_NOT_SUPPORTED;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
    case CU_MEM_LOCATION_TYPE_INVALID:
    case CU_MEM_LOCATION_TYPE_MAX:
      return CUDA_ERROR_INVALID_VALUE;
  }
  // MEMPOOL_SUPPORTED_HANDLE_TYPES is 0.
  if (properties.handleTypes != CU_MEM_HANDLE_TYPE_NONE) return CUDA_ERROR_NOT_SUPPORTED;
  if (properties.usage != 0) return CUDA_ERROR_NOT_SUPPORTED;
  std::lock_guard lock(pools().mutex);
  *out = add(properties.location.id, properties, false)->handle();
  return CUDA_SUCCESS;
}

// Blocks that are out keep the pool, which then only waits for them.
CUresult destroy_pool(CUmemoryPool handle) {
  {
    std::lock_guard lock(pools().mutex);
    const auto it = pools().named.find(handle);
    if (it == pools().named.end() || it->second->standard()) return CUDA_ERROR_INVALID_VALUE;
    std::erase_if(pools().current, [&](const auto& entry) { return entry.second == it->second; });
    pools().named.erase(it);
  }
  forget_finished();
  return CUDA_SUCCESS;
}

void pools_synchronised(int device) {
  for (const auto& pool : all_pools()) {
    if (device < 0 || pool->device() == device) pool->synchronised();
  }
  forget_finished();
}

}  // namespace sim
