// SPDX-License-Identifier: Apache-2.0
#include "random_kernels_90_ptx.h"
#include "random_kernels_control_ptx.h"
#include "random_kernels_ptx.h"
#include "tests/random/execute.h"
#include "tests/random/names.h"

namespace random_program {
namespace {

thread_local CUcontext entered = nullptr;

}  // namespace

void Executor::set_up_contexts() {
  check(cuInit(0), "cuInit");
  devices_.resize(static_cast<size_t>(plan_.devices));
  for (int ordinal = 0; ordinal < plan_.devices; ++ordinal) {
    check(cuDeviceGet(&devices_[static_cast<size_t>(ordinal)], ordinal), "cuDeviceGet");
    own_pools_.push_back(nullptr);
  }
  contexts_.resize(plan_.contexts.size());
  for (int context = 0; context < static_cast<int>(contexts_.size()); ++context) {
    if (!plan_.contexts[context].passing) open_context(context);
  }
}

// Open to all devices that can reach it.
CUmemoryPool Executor::make_pool(int device) const {
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, {devices_[device]}};
  CUmemoryPool pool = nullptr;
  check(cuMemPoolCreate(&pool, &properties), "cuMemPoolCreate");
  for (int other = 0; other < plan_.devices; ++other) {
    if (other == device || !plan_.peers) continue;
    const CUmemAccessDesc access{{CU_MEM_LOCATION_TYPE_DEVICE, {devices_[other]}},
                                 CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    check(cuMemPoolSetAccess(pool, &access, 1), "cuMemPoolSetAccess");
  }
  return pool;
}

void Executor::open_context(int context) {
  const Context& planned = plan_.contexts[context];
  LiveContext& live = contexts_[context];
  const CUdevice device = devices_[planned.device];
  if (planned.primary) {
    check(cuDevicePrimaryCtxRetain(&live.context, device), "cuDevicePrimaryCtxRetain");
  } else {
#if CUDA_VERSION >= 13000
    check(cuCtxCreate(&live.context, nullptr, 0, device), "cuCtxCreate");
#else
    check(cuCtxCreate(&live.context, 0, device), "cuCtxCreate");
#endif
    entered = live.context;
  }
  enter(context);
  check(cuModuleLoadData(&live.module, random_kernels_ptx), "cuModuleLoadData");
  CUmodule of_90 = nullptr, control = nullptr;
  if (plan_.compute >= 90)
    check(cuModuleLoadData(&of_90, random_kernels_90_ptx), "cuModuleLoadData");
  if (plan_.device_calls)
    check(cuModuleLoadData(&control, random_kernels_control_ptx), "cuModuleLoadData");
  for (size_t i = 0; i < kKernelCount; ++i) {
    const auto kernel = static_cast<Kernel>(i);
    const CUmodule module = kernel < Kernel::BlendTiles   ? live.module
                            : kernel <= Kernel::Dependent ? of_90
                                                          : control;
    CUfunction& function = live.kernels.emplace_back();
    if (module != nullptr)
      check(cuModuleGetFunction(&function, module, kKernels[i]), "cuModuleGetFunction");
  }
  if (own_pools_[planned.device] == nullptr) own_pools_[planned.device] = make_pool(planned.device);
  live.own_pool = own_pools_[planned.device];
  check(cuDeviceGetDefaultMemPool(&live.default_pool, device), "cuDeviceGetDefaultMemPool");
  for (size_t i = 0; i < streams_.size(); ++i) {
    if (plan_.streams[i].context != context) continue;
    switch (plan_.streams[i].kind) {
      case StreamKind::Legacy:
        break;
      case StreamKind::PerThread:
        streams_[i] = CU_STREAM_PER_THREAD;
        break;
      case StreamKind::Blocking:
        check(cuStreamCreate(&streams_[i], CU_STREAM_DEFAULT), "cuStreamCreate");
        break;
      case StreamKind::NonBlocking:
        check(cuStreamCreateWithPriority(&streams_[i], CU_STREAM_NON_BLOCKING, -1),
              "cuStreamCreateWithPriority");
        break;
    }
  }
  for (size_t i = 0; i < events_.size(); ++i) {
    if (plan_.events[i] == context)
      check(cuEventCreate(&events_[i], CU_EVENT_DISABLE_TIMING), "cuEventCreate");
  }
}

void Executor::enter(int context) const {
  const CUcontext wanted = contexts_[context].context;
  if (entered == wanted) return;
  check(cuCtxSetCurrent(wanted), "cuCtxSetCurrent");
  entered = wanted;
}

void Executor::perform(Turn&, const Operation&, const MakeContext& work) {
  open_context(work.context);
}

// With all its streams, events, modules and allocations.
void Executor::perform(Turn&, const Operation&, const DropContext& work) {
  check(cuCtxDestroy(contexts_[work.context].context), "cuCtxDestroy");
}

// The operation has made `from` the current context.
void Executor::perform(Turn&, const Operation&, const PeerAccess& work) {
  const CUcontext to = contexts_[work.to].context;
  if (work.enable) return check(cuCtxEnablePeerAccess(to, 0), "cuCtxEnablePeerAccess");
  check(cuCtxDisablePeerAccess(to), "cuCtxDisablePeerAccess");
}

}  // namespace random_program
