// SPDX-License-Identifier: Apache-2.0
// For the length of a scope: calls of ours on an application thread do not invalidate a capture
// that this thread, or another in global mode, has in progress.
#pragma once

#include "runtime/driver.h"

namespace spillway {

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
