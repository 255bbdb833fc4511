// SPDX-License-Identifier: Apache-2.0
// What the runtime remembers between calls: the calling thread's device and last error, and which
// primary contexts this process holds.
#pragma once

#include <cuda.h>
#include <driver_types.h>

namespace sim::cudart {

// CUresult and cudaError_t number the same errors alike; only what the runtime words differently is
// translated.
cudaError_t translate(CUresult result);

// Remembers an error for cudaGetLastError and returns it. Not-ready is an answer, not an error.
cudaError_t remember(cudaError_t error);
inline cudaError_t remember(CUresult result) {
  return remember(translate(result));
}
cudaError_t last_error();       // as it is
cudaError_t take_last_error();  // and forgets it, unless the context is broken for good
void forget_errors();           // after a reset of the device

// A context is current on return: the application's own, or the primary one of this thread's
// device, retained at the first need.
cudaError_t need_context();
// The device that this thread's calls go to, without creating anything.
cudaError_t current_device(int* device);
cudaError_t select_device(int device);
cudaError_t device_handle(int ordinal,
                          CUdevice* device);  // cudaErrorInvalidDevice if there is none
// The primary contexts of two devices, made if need be; this thread's own stays current.
cudaError_t peer_contexts(int first, int second, CUcontext* first_context,
                          CUcontext* second_context);
// Ends this device's primary context; the next call that needs one starts afresh.
cudaError_t reset_device();
// At the end of the process, when the last module is gone.
void release_contexts();

// Says once, on standard error, that a function is missing, and answers cudaErrorNotSupported.
cudaError_t missing(const char* function);

}  // namespace sim::cudart
