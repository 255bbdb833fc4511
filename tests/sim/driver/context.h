// SPDX-License-Identifier: Apache-2.0
// Contexts of the simulated GPU: primary (one a device, counted) and created ones, the stack of
// current ones in each thread, and the error that sticks to a context after a fault.
#pragma once

#include <cuda.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace sim {

struct Context {
  int device = 0;
  bool primary = false;
  unsigned version = 3020;      // API version, for cuCtxGetApiVersion
  std::atomic<uint64_t> id{0};  // a primary context gets a new one each time it is opened
  std::atomic<unsigned> flags{0};
  std::atomic<bool> alive{false};
  std::atomic<CUresult> sticky{CUDA_SUCCESS};
  std::atomic<int> cache_config{CU_FUNC_CACHE_PREFER_NONE};
  std::atomic<int> shared_config{CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE};
  std::array<std::atomic<size_t>, CU_LIMIT_MAX> limits{};
  std::atomic<void*> execution{nullptr};  // the execution side's own (default streams, ...)
};

// Context objects are never freed, so that a stale handle is recognised, not followed.
inline CUcontext handle(Context* context) {
  return reinterpret_cast<CUcontext>(context);
}
Context* find_context(CUcontext handle);  // null: never a context of ours; may be dead

Context* current_context();  // of the calling thread; null: none; may be dead
// The current context when work may be done in it; else INVALID_CONTEXT, CONTEXT_IS_DESTROYED or
// the sticky error.
CUresult usable_context(Context** out);
CUresult usable(const Context* context);

// A fault: every later call in the context answers `error`. The first one wins; it is said on
// stderr.
void poison(Context* context, CUresult error, std::string_view message);

// Runs the body with `context` current on this thread (worker threads, host functions).
class CurrentScope {
 public:
  explicit CurrentScope(Context* context);
  ~CurrentScope();
  CurrentScope(const CurrentScope&) = delete;
  CurrentScope& operator=(const CurrentScope&) = delete;
};

// Calls visit(context) for every live one, of this device (any: -1).
void for_each_context(int device, void (*visit)(Context*, void*), void* argument);

// Provided by the execution side (context_execution.cpp or stream.cpp), called by context.cpp with
// no lock held. Opened: default streams may be made. Closing: all work of the context is drained
// (or dropped when it is poisoned), then its streams, events, modules and graphs are gone.
void context_opened(Context* context);
void context_closing(Context* context);

}  // namespace sim
