// SPDX-License-Identifier: Apache-2.0
// Bytes that simulated device work reads and writes are the application's: whether it orders them
// is its own business, and tests order them wrongly on purpose. ThreadSanitizer is to look at the
// simulator, so it is told to overlook them.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define SIM_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIM_THREAD_SANITIZER 1
#endif
#endif

#ifdef SIM_THREAD_SANITIZER
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace sim {

// Around run_guarded or ptx::run, on the thread that calls it.
class DeviceAccess {
 public:
#ifdef SIM_THREAD_SANITIZER
  DeviceAccess() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~DeviceAccess() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
#else
  DeviceAccess() {}
  ~DeviceAccess() {}
#endif
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace sim
