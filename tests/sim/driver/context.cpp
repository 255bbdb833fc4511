// SPDX-License-Identifier: Apache-2.0
// The table of contexts and each thread's stack of current ones.
#include "tests/sim/driver/context.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <unordered_set>

#include "tests/sim/driver/array.h"
#include "tests/sim/driver/contexts.h"
#include "tests/sim/driver/device.h"
#include "tests/sim/driver/errors.h"
#include "tests/sim/driver/hidden.h"
#include "tests/sim/driver/peer.h"
#include "tests/sim/driver/report.h"
#include "tests/sim/driver/texture.h"

namespace sim {
namespace {

struct Table {
  std::mutex mutex;
  std::deque<Context> contexts;  // never shrinks: see context.h
  std::unordered_set<const Context*> known;
  uint64_t next_id = 1;
};

Table& table() {
  static auto* contexts = new Table;
  return *contexts;
}

struct Limit {
  CUlimit limit;
  size_t standard;
};
constexpr Limit kLimits[] = {
    {CU_LIMIT_STACK_SIZE, 1024},
    {CU_LIMIT_PRINTF_FIFO_SIZE, 1 << 20},
    {CU_LIMIT_MALLOC_HEAP_SIZE, 8 << 20},
    {CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH, 2},
    {CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT, 2048},
    {CU_LIMIT_MAX_L2_FETCH_GRANULARITY, 64},
    {CU_LIMIT_PERSISTING_L2_CACHE_SIZE, 0},
};

}  // namespace

Context* add_context(int device, bool primary, unsigned version) {
  std::lock_guard lock(table().mutex);
  Context& context = table().contexts.emplace_back();
  context.device = device;
  context.primary = primary;
  context.version = version;
  table().known.insert(&context);
  return &context;
}

void open_context(Context* context, unsigned flags) {
  {
    std::lock_guard lock(table().mutex);
    context->id = table().next_id++;
  }
  context->flags = flags;
  context->sticky = CUDA_SUCCESS;
  context->cache_config = CU_FUNC_CACHE_PREFER_NONE;
  context->shared_config = CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE;
  for (const Limit& limit : kLimits) context->limits[limit.limit] = limit.standard;
  context->alive = true;
  context_opened(context);
}

void close_context(Context* context) {
  context_closing(context);
  peer_context_closing(*context);
  context_memory_closing(context);
  forget_textures(context);
  forget_arrays(context);
  hidden_close(*context);
  context->alive = false;
}

Context* find_context(CUcontext handle) {
  auto* context = reinterpret_cast<Context*>(handle);
  std::lock_guard lock(table().mutex);
  return table().known.contains(context) ? context : nullptr;
}

std::vector<Context*>& context_stack() {
  // Not a thread_local object: those of the main thread die before the application's libraries have
  // made their last calls. A key's destructor does not run there, and late in every other thread.
  using Stack = std::vector<Context*>;
  static const pthread_key_t key = [] {
    pthread_key_t made = 0;
    pthread_key_create(&made, [](void* stack) { delete static_cast<Stack*>(stack); });
    return made;
  }();
  auto* stack = static_cast<Stack*>(pthread_getspecific(key));
  if (!stack) pthread_setspecific(key, stack = new Stack);
  return *stack;
}

Context* current_context() {
  const auto& stack = context_stack();
  return stack.empty() ? nullptr : stack.back();
}

CUresult usable(const Context* context) {
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  if (!context->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  return context->sticky;
}

CUresult usable_context(Context** out) {
  *out = current_context();
  return usable(*out);
}

void poison(Context* context, CUresult error, std::string_view message) {
  CUresult none = CUDA_SUCCESS;
  if (!context->sticky.compare_exchange_strong(none, error)) return;
  complain(fmt::format("device {}: {} ({}): {}", context->device, error_name(error),
                       error_text(error), message));
}

CurrentScope::CurrentScope(Context* context) {
  context_stack().push_back(context);
}

CurrentScope::~CurrentScope() {
  context_stack().pop_back();
}

void for_each_context(int device, void (*visit)(Context*, void*), void* argument) {
  std::vector<Context*> live;
  {
    std::lock_guard lock(table().mutex);
    for (Context& context : table().contexts) {
      if (context.alive && (device < 0 || context.device == device)) live.push_back(&context);
    }
  }
  for (Context* context : live) visit(context, argument);
}

}  // namespace sim
