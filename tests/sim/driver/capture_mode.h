// SPDX-License-Identifier: Apache-2.0
// How strictly the calling thread respects the captures of others.
#pragma once

#include <cuda.h>

namespace sim {

CUstreamCaptureMode& thread_capture_mode();

}  // namespace sim
