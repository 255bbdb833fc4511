// SPDX-License-Identifier: Apache-2.0
// Who is calling us: the library whose memory it will be (SPILLWAY_EXCLUDE), and the place in the
// program, for the trace (SPILLWAY_TRACE_SITES). CUDA's own libraries and ours are looked through,
// and so is UCX's libucm, through which every call of the program goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/option_types.h"

namespace spillway {

class Callers {
 public:
  Callers(const Names& excluded, bool sites) : excluded_(excluded), sites_(sites) {}

  // Whether the calling library is one whose allocations are left alone. Without such a library in
  // the process: one question to the loader. Otherwise about a microsecond.
  bool excluded() noexcept;
  // The number of the calling place in the trace; 0: sites are not told.
  uint64_t site() noexcept { return sites_ ? find_site() : 0; }

 private:
  static constexpr int kMostFrames = 24;
  struct Frames {
    void* at[kMostFrames];
    int count = 0;
  };
  struct Module {
    uintptr_t begin = 0, end = 0;  // of its code and data
    bool through = false, excluded = false;
  };
  // Frames of the caller, the innermost first, without those that are looked through.
  Frames callers() noexcept;
  // The modules of the process, again when some came or went.
  void look_at_modules();
  const Module* module_at(const void* address) const;
  uint64_t find_site() noexcept;

  const Names excluded_;
  const bool sites_;
  std::mutex mutex_;  // a leaf: what follows
  uint64_t changes_ = 0;
  std::vector<Module> modules_;  // by address
  bool any_excluded_ = false;
  std::unordered_map<uint64_t, uint64_t> numbers_;  // of sites, by a hash of their frames
};

}  // namespace spillway
