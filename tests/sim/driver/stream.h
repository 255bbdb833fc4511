// SPDX-License-Identifier: Apache-2.0
// Streams of the simulated GPU: work that a call enqueues, run later by worker threads in an order
// that only the program's own dependencies and the schedule seed decide.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <functional>
#include <string>

namespace sim {

struct Context;  // context.h
struct Stream;

// What an operation occupies in virtual time.
enum class Engine { None, Compute, CopyHtoD, CopyDtoH, CopyDtoD };

struct Done {
  CUresult status = CUDA_SUCCESS;  // not SUCCESS: sticky error of the context, message logged
  double duration_ns = 0;          // modelled; for copies the clock takes Work::bytes
  std::string message;
  double share = 1;  // of the device's compute that it occupies
};

struct Work {
  const char* name = "";  // for the timeline report: kernel or call name
  Engine engine = Engine::None;
  uint64_t bytes = 0;         // moved, for the report
  std::function<Done()> run;  // runs on a worker thread, with no lock of the simulator held
  // Polled, when set, once everything before it is done: the operation starts when it answers true.
  // Quick, and calls nothing of the simulator's scheduler.
  std::function<bool()> ready = {};
  bool bounded = false;      // `ready` is about work of the device, and needs nothing of the host
  bool after_error = false;  // runs even in a context with a sticky error (stream callbacks)
};

// The stream that a handle means in the current context. per_thread: the _ptsz/_ptds form.
// Returns CUDA_ERROR_INVALID_HANDLE / INVALID_CONTEXT as the driver would.
CUresult find_stream(CUstream handle, bool per_thread, Stream** out);

// Appends work; legacy-stream barriers, event dependencies and stream capture are dealt with
// inside.
CUresult enqueue(Stream* stream, Work work);
bool capturing(Stream* stream);
// For calls that are illegal in some thread's global/thread-local mode capture (cuMemAlloc and
// kin): CUDA_SUCCESS, or CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED after invalidating that capture.
CUresult forbid_in_capture();

CUresult synchronize(Stream* stream);  // host waits; returns the sticky error if any
CUresult synchronize_context(Context* context);
CUresult synchronize_all(int device);  // what cuMemFree does implicitly

// Virtual cost of a call on the calling thread (launch, VMM, ...), by profile; see clock.h.
void host_cost_ns(double nanoseconds);

}  // namespace sim
