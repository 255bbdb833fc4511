// SPDX-License-Identifier: Apache-2.0
#include "interpose/start.h"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include "interpose/dlsym.h"
#include "interpose/primary_contexts.h"
#include "interpose/routes.h"
#include "runtime/config.h"
#include "runtime/live.h"
#include "runtime/log.h"
#include "runtime/manager.h"
#include "runtime/presets.h"
#include "runtime/trace/writer.h"

namespace spillway {
namespace {

enum class Phase { Idle, Starting, Settled };
constinit std::atomic<Phase> phase{Phase::Idle};

// The child has neither the parent's threads nor, by CUDA's rules, its context: it begins like a
// new process. Only atomics, because any lock may have been held by a thread that is not here.
void forget_in_child() {
  g_manager.store(nullptr, std::memory_order_relaxed);
  trace::forget_in_child();
  forget_live_page();
  forget_primary_contexts();
  phase.store(Phase::Idle, std::memory_order_relaxed);
}

bool context_is_current(const Driver& driver) noexcept {
  CUcontext context = nullptr;
  return driver.cuCtxGetCurrent != nullptr && driver.cuCtxGetCurrent(&context) == CUDA_SUCCESS &&
         context != nullptr;
}

}  // namespace

Manager* start_manager() noexcept {
  const Routes* known = routes();
  if (known == nullptr) return nullptr;
  for (;;) {
    Phase now = phase.load(std::memory_order_acquire);
    switch (now) {
      case Phase::Settled:
        return running_manager();
      case Phase::Starting:  // another thread is at it, and its ranges must not be missed
        phase.wait(Phase::Starting, std::memory_order_acquire);
        continue;
      case Phase::Idle:
        break;
    }
    if (!context_is_current(known->driver)) return nullptr;
    if (!phase.compare_exchange_strong(now, Phase::Starting, std::memory_order_acq_rel)) continue;
    static constinit std::atomic<bool> watching_forks{false};
    if (!watching_forks.exchange(true)) pthread_atfork(nullptr, nullptr, forget_in_child);
    const Config& options = config();
    Manager* manager = options.enable ? Manager::start(known->driver, options) : nullptr;
    g_manager.store(manager, std::memory_order_release);
    phase.store(Phase::Settled, std::memory_order_release);
    phase.notify_all();
    return manager;
  }
}

namespace {

// Frameworks read their environment when they are loaded, so this cannot wait for a CUDA call. It
// is all that happens before one.
__attribute__((constructor)) void set_presets() {
  apply_presets();
}

}  // namespace
}  // namespace spillway

// CUDA_INJECTION64_PATH names a library that the driver loads in cuInit and whose function of this
// name it calls. By then the application's runtime has its addresses, which only LD_PRELOAD can
// replace; so that loads the library but cannot make it work.
extern "C" __attribute__((visibility("default"))) int InitializeInjection() {
  using namespace spillway;
  static constinit std::atomic<bool> said{false};
  // Not in front: somebody else's dlsym is the one that programs find.
  const bool in_front = real_dlsym(RTLD_DEFAULT, "dlsym") == static_cast<void*>(&spillway_dlsym);
  if (!in_front && !said.exchange(true)) {
    log_line(LogLevel::Warn,
             "not active: CUDA_INJECTION64_PATH loads Spillway too late to see the calls of this "
             "program; use LD_PRELOAD or `spillway run`");
  }
  return 1;
}
