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
    begin();
    depth()++;
  }
  ~DeviceAccess() {
    depth()--;
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  // The sanitizer forgets what it overlooks while a signal handler runs; a handler that will not
  // return says it again.
  static void leaving_handler() {
    for (int i = 0; i < depth(); i++) begin();
  }

 private:
  static void begin() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  static int& depth() {
    static thread_local int count = 0;
    return count;
  }

 public:
#else
  DeviceAccess() {}
  ~DeviceAccess() {}
  static void leaving_handler() {}
#endif
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace sim
