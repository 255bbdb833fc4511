// SPDX-License-Identifier: Apache-2.0
#include "runtime/manager.h"

#include <unistd.h>

#include <algorithm>

#include "runtime/capture.h"
#include "runtime/context_scope.h"
#include "runtime/errors.h"
#include "runtime/host_memory.h"
#include "runtime/ledger.h"
#include "runtime/live.h"
#include "runtime/log.h"
#include "runtime/residents.h"
#include "runtime/summary.h"
#include "runtime/tell.h"

namespace spillway {

Manager* Manager::start(const Driver& driver, const Config& config) noexcept {
  static pid_t owner = 0;
  if (owner && owner != getpid()) {  // forked: what the parent's threads held is nobody's here
    reset_threads_after_fork();
    Engine::make_current(nullptr);
  }
  owner = getpid();
  try {
    auto engine = std::make_unique<Engine>(driver, config);
    const CUresult reserved = engine->arena.reserve(driver, config.arena.count);
    if (reserved != CUDA_SUCCESS) {
      log(LogLevel::Warn,
          "not active: reserving address space failed: {}; this process runs "
          "without Spillway (try a smaller SPILLWAY_ARENA)",
          error_name(driver, reserved));
      return nullptr;
    }
    engine->host_limit = config.host_limit.of(available_host_memory());
    Engine::make_current(engine.get());
    if (!engine->device()) {
      Engine::make_current(nullptr);
      driver.cuMemAddressFree(engine->arena.base(), engine->arena.size());
      return nullptr;
    }
    write_summary_at_exit(*engine);
    begin_trace(*engine);
    begin_live_page(*engine);
    return new Manager(*engine.release());  // both leaked: the driver outlives our destructors
  } catch (...) {
    log_line(LogLevel::Warn, "not active: no host memory to start with");
    return nullptr;
  }
}

void Manager::stream_destroying(CUstream stream) noexcept {
  engine_.completion.stream_destroying(stream);
}

void Manager::context_destroying(CUcontext context) noexcept {
  if (process_exiting()) return;  // everything goes anyway, and the driver may be gone already
  {
    ContextScope scope(engine_.driver, context);
    RelaxedCapture relaxed(engine_.driver);
    engine_.driver.cuCtxSynchronize();  // work in flight uses what is unmapped next
  }
  engine_.completion.context_destroying(context);
  engine_.examiner.context_gone(context);
  engine_.stopwatch.context_gone(context);
  drop_context(engine_, context);
}

void Manager::primary_context_resetting(CUdevice device) noexcept {
  if (process_exiting()) return;
  unsigned flags = 0;
  int active = 0;
  CUcontext context = nullptr;
  const Driver& driver = engine_.driver;
  if (driver.cuDevicePrimaryCtxGetState(device, &flags, &active) != CUDA_SUCCESS || !active) return;
  if (driver.cuDevicePrimaryCtxRetain(&context, device) != CUDA_SUCCESS) return;
  context_destroying(context);
  driver.cuDevicePrimaryCtxRelease_v2(device);
}

void Manager::context_switched() noexcept {
  thread_state().forget_context();
}

void Manager::module_unloaded(const void* module) noexcept {
  engine_.layouts.clear();
  Held held(engine_.ledger);
  engine_.hidden.unloaded(engine_, held, module);
}

}  // namespace spillway
