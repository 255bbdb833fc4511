// SPDX-License-Identifier: Apache-2.0
// The driver as this runtime reaches it: dlopen("libcuda.so.1"), one dlsym of cuGetProcAddress_v2
// and everything else through that, so that whoever stands in between sees what NVIDIA's runtime
// shows.
#pragma once

#include <cudaProfilerTypedefs.h>
#include <cudaTypedefs.h>

namespace sim::cudart {

struct Driver {
#define DRIVER(name, version) PFN_cu##name##_v##version name = nullptr;
#define STREAM(name, version, per_thread) DRIVER(name, version)
#include "tests/sim/cudart/driver.def"
#undef STREAM
#undef DRIVER
};

struct Drivers {
  CUresult status = CUDA_SUCCESS;  // of loading and cuInit; nothing else is valid if it is an error
  Driver legacy;                   // a null stream is the legacy default stream
  Driver per_thread;               // a null stream is the calling thread's own
  PFN_cuGetProcAddress_v12000 get_proc_address = nullptr;
  int version = 0;
};

const Drivers& drivers();  // loaded and cuInit'ed at first use

}  // namespace sim::cudart
