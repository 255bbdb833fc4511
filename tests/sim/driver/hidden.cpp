// SPDX-License-Identifier: Apache-2.0
// The driver's own device memory; see hidden.h.
#include "tests/sim/driver/hidden.h"

#include <map>
#include <mutex>
#include <set>

#include "tests/sim/driver/context.h"
#include "tests/sim/driver/launch.h"
#include "tests/sim/driver/module.h"
#include "tests/sim/driver/profile.h"
#include "tests/sim/driver/settings.h"
#include "tests/sim/driver/store.h"

namespace sim {
namespace {

struct Taken {
  uint64_t own = 0;    // of the context itself
  uint64_t heaps = 0;  // printf buffer and device heap
  uint64_t local = 0;  // for as many threads as the device holds
};

struct Table {
  std::mutex mutex;
  std::map<const Context*, Taken> contexts;
  std::map<const Module*, std::set<const ptx::Kernel*>> loaded;
};

Table& table() {
  static auto* all = new Table;
  return *all;
}

bool enabled() {
  return settings().lazy != 0;
}

// Grows what is taken to `wanted`.
CUresult grow(int device, uint64_t* taken, uint64_t wanted) {
  if (wanted <= *taken) return CUDA_SUCCESS;
  if (!store(device).charge_only(wanted - *taken)) return CUDA_ERROR_OUT_OF_MEMORY;
  *taken = wanted;
  return CUDA_SUCCESS;
}

uint64_t local_bytes(const Context& context, const ptx::KernelInfo& info) {
  constexpr size_t kStandardStack = 1024;
  const size_t stack = context.limits[CU_LIMIT_STACK_SIZE];
  const size_t thread = std::max(info.local_bytes, stack > kStandardStack ? stack : 0);
  return uint64_t{thread} * profile().sms * sm_threads();
}

CUresult load(const LoadedKernel& kernel) {
  auto& loaded = table().loaded[kernel.module.get()];
  if (loaded.contains(kernel.kernel)) return CUDA_SUCCESS;
  if (!store(kernel.module->context->device).charge_only(settings().lazy)) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  loaded.insert(kernel.kernel);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult hidden_open(const Context& context) {
  if (!enabled()) return CUDA_SUCCESS;
  std::lock_guard lock(table().mutex);
  return grow(context.device, &table().contexts[&context].own, settings().lazy);
}

void hidden_close(const Context& context) {
  std::lock_guard lock(table().mutex);
  const auto it = table().contexts.find(&context);
  if (it == table().contexts.end()) return;
  const Taken& taken = it->second;
  store(context.device).release_charge(taken.own + taken.heaps + taken.local);
  table().contexts.erase(it);
}

CUresult hidden_load(const LoadedKernel& kernel) {
  if (!enabled()) return CUDA_SUCCESS;
  std::lock_guard lock(table().mutex);
  return load(kernel);
}

bool hidden_loaded(const LoadedKernel& kernel) {
  if (!enabled()) return true;
  std::lock_guard lock(table().mutex);
  return table().loaded[kernel.module.get()].contains(kernel.kernel);
}

CUresult hidden_launch(const Context& context, const LoadedKernel& kernel) {
  if (!enabled()) return CUDA_SUCCESS;
  std::lock_guard lock(table().mutex);
  Taken& taken = table().contexts[&context];
  const int device = context.device;
  if (const CUresult status = load(kernel)) return status;
  const uint64_t heaps =
      context.limits[CU_LIMIT_PRINTF_FIFO_SIZE] + context.limits[CU_LIMIT_MALLOC_HEAP_SIZE];
  if (const CUresult status = grow(device, &taken.heaps, heaps)) return status;
  return grow(device, &taken.local, local_bytes(context, kernel.info()));
}

void hidden_unload(const Module& module) {
  std::lock_guard lock(table().mutex);
  const auto it = table().loaded.find(&module);
  if (it == table().loaded.end()) return;
  store(module.context->device).release_charge(it->second.size() * settings().lazy);
  table().loaded.erase(it);
}

}  // namespace sim
