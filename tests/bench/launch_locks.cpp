// SPDX-License-Identifier: Apache-2.0
// What a launch does beside the launch, for launch_path_test. The locks of the whole process are
// counted: this program stands in front of the C library's own. Prints the locks that launches took
// when nothing has to move, and those that one allocation took, which shows that locks are seen.
//   launch_locks LAUNCHES
#include <cuda.h>
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "bench_kernels_ptx.h"
#include "tests/bench/shapes.h"
#include "tests/support/stage.h"

namespace {
unsigned long locks = 0;  // of this thread alone: it is the only one

template <class Function>
Function real(Function, const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}
}  // namespace

#define COUNTED(name, parameters, ...)                                    \
  extern "C" __attribute__((visibility("default"))) int name parameters { \
    static const auto next = real(&name, #name);                          \
    locks++;                                                              \
    return next(__VA_ARGS__);                                             \
  }
COUNTED(pthread_mutex_lock, (pthread_mutex_t * it) noexcept, it)
COUNTED(pthread_mutex_trylock, (pthread_mutex_t * it) noexcept, it)
COUNTED(pthread_rwlock_rdlock, (pthread_rwlock_t * it) noexcept, it)
COUNTED(pthread_rwlock_wrlock, (pthread_rwlock_t * it) noexcept, it)
COUNTED(pthread_spin_lock, (pthread_spinlock_t * it) noexcept, it)
COUNTED(pthread_cond_signal, (pthread_cond_t * it) noexcept, it)
COUNTED(pthread_cond_broadcast, (pthread_cond_t * it) noexcept, it)
COUNTED(sem_post, (sem_t * it) noexcept, it)
COUNTED(sem_wait, (sem_t * it), it)

// Where a futex is used directly.
extern "C" __attribute__((visibility("default"))) long syscall(long number, ...) noexcept {
  static const auto next = real(&syscall, "syscall");
  if (number == SYS_futex) locks++;
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& one : a) one = va_arg(list, long);
  va_end(list);
  return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int main(int argc, char** argv) {
  const int launches = argc > 1 ? std::atoi(argv[1]) : 1000;
  const support::Stage stage = support::set_stage(bench_kernels_ptx);
  const CUstream stream = stage.stream;
  constexpr size_t kBytes = size_t{4} << 20;
  CUdeviceptr buffers[bench::kMostPointers];
  for (CUdeviceptr& buffer : buffers) MUST(cuMemAlloc(&buffer, kBytes));
  void* arguments[bench::kMostPointers];
  for (int i = 0; i < bench::kMostPointers; i++) arguments[i] = &buffers[i];
  const CUfunction four = stage.function("pointers_4"), sixteen = stage.function("pointers_16");
  const auto launch = [&](int count) {
    for (int i = 0; i < count; i++)
      MUST(
          cuLaunchKernel(i % 2 ? four : sixteen, 1, 1, 1, 32, 1, 1, 0, stream, arguments, nullptr));
  };
  launch(16);  // layouts are learnt, and what the kernels store
  MUST(cuStreamSynchronize(stream));
  launch(4);
  const unsigned long before = locks;
  launch(launches);
  const unsigned long of_launches = locks - before;
  CUdeviceptr more = 0;
  const unsigned long idle = locks;
  MUST(cuMemAlloc(&more, kBytes));
  std::printf("launches %lu allocation %lu\n", of_launches, locks - idle);
  MUST(cuStreamSynchronize(stream));
  return 0;
}
