// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

namespace fuzz {

InMemory::InMemory(Input bytes) : file_(memfd_create("fuzz", MFD_CLOEXEC)) {
  hold(file_ >= 0, "the system has memory for a file");
  hold(write(file_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
       "the system takes the file's bytes");
  path_ = "/proc/self/fd/" + std::to_string(file_);
}

InMemory::~InMemory() {
  close(file_);
}

}  // namespace fuzz
