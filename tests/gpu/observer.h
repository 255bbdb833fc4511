// SPDX-License-Identifier: Apache-2.0
// The launch observer: a small preloaded library that stands in front of the driver's launch calls,
// as a library with a static runtime reaches them, and notes what the driver knows of each kernel's
// parameters and which of the watched addresses they show.
#pragma once

#include <cstddef>
#include <cstdint>

namespace probe {

inline constexpr size_t kMaxWatched = 16;

struct Watched {
  uint64_t begin = 0, end = 0;
};

struct ObservedKernel {
  char name[200] = "";
  const char* door = "";    // the call it was last launched by
  int function_layout = 0;  // CUresult of cuFuncGetParamInfo on the handle, 0: layout known
  int kernel_layout = 0;    // of cuKernelGetParamInfo
  unsigned parameters = 0, bytes = 0;
  bool extra = false;  // launched with one flat buffer instead of pointers
  unsigned launches = 0;
  unsigned seen = 0;      // bit k: a word of the parameters lies in watched range k
  unsigned seen_odd = 0;  // the same at a place that is a multiple of 4 but not of 8
};

struct Observer {
  void (*watch)(const Watched* ranges, size_t count);       // forgets what was seen
  size_t (*kernels)(ObservedKernel* out, size_t capacity);  // launched since; how many in all
};

// Exported by the library; null elsewhere.
inline constexpr const char* kObserverSymbol = "gpu_launch_observer";
const Observer* find_observer();

// Starts this program again with the observer preloaded, unless it is there. False, with the reason
// on stderr: it cannot.
bool restart_observed(char** argv);

}  // namespace probe
