// SPDX-License-Identifier: Apache-2.0
#include "runtime/trace/ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace spillway::trace {

Ring* Ring::make() noexcept {
  const int file = memfd_create("spillway-trace", MFD_CLOEXEC);
  if (file < 0) return nullptr;
  void* const memory = ftruncate(file, kBytes) == 0 ? mmap(nullptr, 2 * kBytes, PROT_NONE,
                                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                                    : MAP_FAILED;
  bool done = memory != MAP_FAILED;
  for (int copy = 0; done && copy < 2; ++copy)
    done = mmap(static_cast<uint8_t*>(memory) + copy * kBytes, kBytes, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED;
  close(file);
  Ring* const ring = done ? new (std::nothrow) Ring(static_cast<uint8_t*>(memory)) : nullptr;
  if (!ring && memory != MAP_FAILED) munmap(memory, 2 * kBytes);
  return ring;
}

}  // namespace spillway::trace
