// SPDX-License-Identifier: Apache-2.0
// Whether a stream records what it is given; and, for the length of a scope: calls of ours on an
// application thread do not invalidate a capture that this thread, or another in global mode, has
// in progress.
#pragma once

#include "runtime/access.h"
#include "runtime/driver.h"

namespace spillway {

inline bool is_capturing(const Driver& driver, StreamRef ref) noexcept {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  const CUstream handle = !ref.handle && ref.per_thread ? CU_STREAM_PER_THREAD : ref.handle;
  return driver.cuStreamIsCapturing(handle, &status) == CUDA_SUCCESS &&
         status != CU_STREAM_CAPTURE_STATUS_NONE;
}

class RelaxedCapture {
 public:
  explicit RelaxedCapture(const Driver& driver) noexcept : driver_(driver) {
    if (driver_.cuThreadExchangeStreamCaptureMode)
      exchanged_ = driver_.cuThreadExchangeStreamCaptureMode(&mode_) == CUDA_SUCCESS;
  }
  ~RelaxedCapture() {
    if (exchanged_) driver_.cuThreadExchangeStreamCaptureMode(&mode_);
  }
  RelaxedCapture(const RelaxedCapture&) = delete;
  RelaxedCapture& operator=(const RelaxedCapture&) = delete;

 private:
  const Driver& driver_;
  CUstreamCaptureMode mode_ = CU_STREAM_CAPTURE_MODE_RELAXED;
  bool exchanged_ = false;
};

}  // namespace spillway
