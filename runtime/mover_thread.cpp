// SPDX-License-Identifier: Apache-2.0
#include "runtime/mover_thread.h"

#include <chrono>

#include "runtime/ahead.h"
#include "runtime/context_scope.h"
#include "runtime/limit_file.h"
#include "runtime/log.h"
#include "runtime/nested.h"
#include "runtime/room.h"
#include "runtime/thread.h"

namespace spillway {

namespace {

// How often copies under way are looked at while nobody asks for anything: a piece takes ~1 ms.
constexpr std::chrono::microseconds kPoll{50};
// How often SPILLWAY_LIMIT_FILE is read while nothing moves.
constexpr std::chrono::milliseconds kLookAtLimit{100};

constinit thread_local bool is_mover __attribute__((tls_model("initial-exec"))) = false;

// Virtual time goes from whoever calls this to whoever waits for the event.
void record(const Driver& driver, const Baton& baton, CUevent event) {
  ContextScope scope(driver, baton.context);
  driver.cuEventRecord(event, baton.stream);
}
void wait(const Driver& driver, const Baton& baton, CUevent event) {
  ContextScope scope(driver, baton.context);
  driver.cuEventSynchronize(event);
}

// The baton of the caller's context. Null: it has none.
Baton* take_baton(Engine& engine, Device& device, Held& held) {
  const Driver& driver = engine.driver;
  CUcontext context = nullptr;
  if (driver.cuCtxGetCurrent(&context) != CUDA_SUCCESS || !context) return nullptr;
  if (const auto known = device.batons.find(context); known != device.batons.end())
    return &known->second;
  Baton fresh{context, nullptr, nullptr, nullptr};
  {
    Unlocked open(held);
    RelaxedCapture relaxed(driver);
    if (driver.cuStreamCreateWithPriority(&fresh.stream, CU_STREAM_NON_BLOCKING, 0) !=
            CUDA_SUCCESS ||
        driver.cuEventCreate(&fresh.asked, CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS ||
        driver.cuEventCreate(&fresh.answered, CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS)
      return nullptr;
  }
  return &(device.batons[context] = fresh);
}

void keep_house(Engine& engine, Device& device, Held& held) {
  {
    Unlocked open(held);
    Mover(engine, device).settle();
  }
  Room room(engine, device, held, {});
  if (!engine.config.lockstep) refresh_limit(engine, device);
  room.shrink();
  room.keep_spare();
  move_ahead(engine, device, held);
}

void serve(Engine& engine, Device& device, Held& held, Request& request) {
  if (request.baton) {
    Unlocked open(held);
    wait(engine.driver, *request.baton, request.baton->asked);
  }
  request.call(request.object, held);
  if (request.baton) {
    {
      Unlocked open(held);
      record(engine.driver, *request.baton, request.baton->answered);
    }
    keep_house(engine, device, held);  // while, in virtual time, the caller goes on
  }
}

void run(Engine& engine, Device& device) noexcept {
  const Call call;  // whatever comes back to our exports from here is not the application's
  is_mover = true;
  Held held(engine.ledger);
  while (!device.parked) {
    if (!device.requests.empty()) {
      Request& request = *device.requests.front();
      device.requests.pop_front();
      {
        Token token(engine, device, held);
        serve(engine, device, held, request);
      }
      request.state = Request::Done;
      engine.changed.notify_all();
    } else if (!engine.config.lockstep && device.proposes) {
      device.proposes = false;
    } else if (!engine.config.lockstep && !(device.outs.empty() && device.ins.empty())) {
      device.wake.wait_for(held, kPoll);
    } else if (!engine.config.lockstep && !engine.config.limit_file.empty()) {
      device.wake.wait_for(held, kLookAtLimit);
    } else {
      device.wake.wait(held);
      continue;
    }
    if (engine.config.lockstep || device.parked) continue;
    Token token(engine, device, held);
    keep_house(engine, device, held);
  }
}

}  // namespace

bool start_mover(Engine& engine, const Held&, Device& device) noexcept {
  if (device.has_thread) return true;
  device.has_thread = start_thread("spillway-move", [&engine, &device] { run(engine, device); });
  if (!device.has_thread)
    log(LogLevel::Info, "no thread to move memory with; whoever needs it moves it");
  return device.has_thread;
}

void ask_mover(Engine& engine, Device& device, Held& held, Request& request) noexcept {
  if (!is_mover && !device.parked && start_mover(engine, held, device)) {
    if (engine.config.lockstep && !request.late) {
      request.baton = take_baton(engine, device, held);
      if (request.baton) {
        Unlocked open(held);
        record(engine.driver, *request.baton, request.baton->asked);
      }
    }
    device.requests.push_back(&request);
    device.wake.notify_one();
    engine.changed.wait(held, [&] { return request.state != Request::Waiting; });
    if (request.state == Request::Done) {
      if (request.baton) {
        Unlocked open(held);
        wait(engine.driver, *request.baton, request.baton->answered);
      }
      return;
    }
  }
  Token token(engine, device, held);
  request.call(request.object, held);
}

void park_movers(Engine& engine) noexcept {
  constexpr std::chrono::seconds kLongestExit{1};
  Held held(engine.ledger);
  for (int ordinal = 0; ordinal < Engine::kMaxDevices; ordinal++) {
    Device* device = engine.device(ordinal);
    if (!device || !device->has_thread) continue;
    device->parked = true;
    device->wake.notify_one();
    for (Request* request : device->requests) request->state = Request::Returned;
    device->requests.clear();
    engine.changed.notify_all();
    engine.changed.wait_for(held, kLongestExit, [&] { return !device->moving; });
  }
}

}  // namespace spillway
