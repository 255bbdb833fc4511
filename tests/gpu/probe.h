// SPDX-License-Identifier: Apache-2.0
// The table of probes: each answers one question about a real GPU and driver, in a process of its
// own.
#pragma once

#include "tests/gpu/gpu.h"
#include "tests/gpu/report.h"

namespace probe {

// Measures, reports as it goes, and returns what it means. Throws CudaError when it cannot go on.
using Function = Verdict (*)(Gpu&, Report&);

enum class Kind {
  Ordinary,
  Observed,        // under the launch observer: see observer.h
  MayKillContext,  // run after all others
};

struct Probe {
  const char* id;
  int question;  // of kQuestions
  int seconds;   // its time limit
  Kind kind;
  const char* title;
  Function run;
};

// The twelve questions that the design was drawn with, and what was added since.
inline constexpr const char* kQuestions[] = {
    "",
    "Remapping at one address: right bytes, and its cost, idle and under load",
    "Parts and joints: cuMemMap, cuMemUnmap and cuMemSetAccess across handles",
    "Host-backed VMM memory: does it work, how fast is it made",
    "Copies through an alias address, also before a dependent launch",
    "Captured graphs after a remap",
    "Tensor maps",
    "Parameter layouts, of our kernels and of libraries",
    "Pointer queries on host-backed and multi-handle addresses",
    "The link: copies and zero copy, by kind of host memory",
    "Copy engines: two streams one way, both ways, and a kernel",
    "Unmapping: when it is safe, and what happens when it is not",
    "First touch after a remap",
    "Beyond the twelve",
};

#define PROBE(id, question, seconds, kind, title) Verdict id(Gpu&, Report&);
#include "tests/gpu/probes.def"
#undef PROBE

inline constexpr Probe kProbes[] = {
#define PROBE(id, question, seconds, kind, title) {#id, question, seconds, Kind::kind, title, id},
#include "tests/gpu/probes.def"
#undef PROBE
};

}  // namespace probe
