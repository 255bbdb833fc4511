// SPDX-License-Identifier: Apache-2.0
#include "runtime/stopwatch.h"

#include "runtime/context_scope.h"
#include "runtime/foresight.h"

namespace spillway {

namespace {

// The calling thread's launch that is being timed.
constinit thread_local CUevent begun __attribute__((tls_model("initial-exec"))) = nullptr;
constinit thread_local CUcontext begun_in __attribute__((tls_model("initial-exec"))) = nullptr;
constinit thread_local uint64_t begun_for __attribute__((tls_model("initial-exec"))) = 0;

}  // namespace

CUevent Stopwatch::take() noexcept {
  CUevent event = nullptr;
  return driver_.cuEventCreate(&event, CU_EVENT_DEFAULT) == CUDA_SUCCESS ? event : nullptr;
}

void Stopwatch::drop(const Lap& lap) noexcept {
  if (lap.begin) driver_.cuEventDestroy_v2(lap.begin);
  if (lap.end) driver_.cuEventDestroy_v2(lap.end);
}

void Stopwatch::begin(CUstream stream, CUcontext context, uint64_t signature) noexcept {
  begun = nullptr;
  {
    std::lock_guard held(mutex_);
    if (laps_.size() >= kMost) return;
  }
  const CUevent event = take();
  if (!event) return;
  if (driver_.cuEventRecord(event, stream) != CUDA_SUCCESS) return drop({{}, 0, event, nullptr});
  begun = event;
  begun_in = context;
  begun_for = signature;
}

void Stopwatch::end(CUstream stream) noexcept {
  if (!begun) return;
  const Lap lap{begun_in, begun_for, begun, take()};
  begun = nullptr;
  if (!lap.end || driver_.cuEventRecord(lap.end, stream) != CUDA_SUCCESS) return drop(lap);
  std::lock_guard held(mutex_);
  laps_.push_back(lap);
}

void Stopwatch::read(Foresight& foresight) noexcept {
  while (true) {
    Lap lap;
    {
      std::lock_guard held(mutex_);
      if (laps_.empty()) return;
      lap = laps_.front();
      laps_.pop_front();
    }
    ContextScope scope(driver_, lap.context);
    if (driver_.cuEventQuery(lap.end) == CUDA_ERROR_NOT_READY) {
      std::lock_guard held(mutex_);
      laps_.push_front(lap);
      return;
    }
    float milliseconds = 0;
    constexpr float kNs = 1e6F;
    if (driver_.cuEventElapsedTime(&milliseconds, lap.begin, lap.end) == CUDA_SUCCESS)
      foresight.timed(lap.signature, static_cast<uint64_t>(milliseconds * kNs));
    drop(lap);
  }
}

bool Stopwatch::read_out() noexcept {
  std::lock_guard held(mutex_);
  return laps_.empty();
}

void Stopwatch::context_gone(CUcontext context) noexcept {
  std::lock_guard held(mutex_);
  std::erase_if(laps_, [&](const Lap& lap) { return lap.context == context; });
}

}  // namespace spillway
