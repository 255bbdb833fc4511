// SPDX-License-Identifier: Apache-2.0
// What the driver would never be asked of an ordinary allocation: for a range of ours the answer in
// hooks.def, for everything else the driver's.
#include "interpose/body.h"

namespace {

// By Row; CUDA_SUCCESS where nothing is refused.
constexpr CUresult kAnswers[] = {
#define HOOK(symbol, why) CUDA_SUCCESS,
#define PASS(symbol, why) CUDA_SUCCESS,
#define PIN(symbol, why) CUDA_SUCCESS,
#define REFUSE(symbol, answer, why) answer,
#include "interpose/hooks.def"
#undef HOOK
#undef PASS
#undef PIN
#undef REFUSE
};

template <class Submit>
CUresult map(spillway::Manager* manager, CUdeviceptr address, CUmemGenericAllocationHandle handle,
             Submit&& submit) {
  if (manager->serves(address)) return kAnswers[static_cast<size_t>(spillway::Row::cuMemMap)];
  manager->pin_for_good(spillway::Hidden::Kind::Handle, handle);
  return submit();
}

}  // namespace

#define REFUSE_BODY(symbol, address, PARAMETERS, ARGUMENTS) \
  BODY(symbol, PARAMETERS, ARGUMENTS,                       \
       manager->serves(address) ? kAnswers[static_cast<size_t>(spillway::Row::symbol)] : submit())

REFUSE_BODY(cuIpcGetMemHandle, address, (CUipcMemHandle * handle, CUdeviceptr address),
            (handle, address))
REFUSE_BODY(cuMemPoolExportPointer, address, (CUmemPoolPtrExportData * data, CUdeviceptr address),
            (data, address))
REFUSE_BODY(cuMemGetAccess, address,
            (unsigned long long* flags, const CUmemLocation* location, CUdeviceptr address),
            (flags, location, address))
REFUSE_BODY(cuMemAddressFree, address, (CUdeviceptr address, size_t bytes), (address, bytes))
// A handle of ours that is mapped at the application's own address is in use for good.
BODY(cuMemMap,
     (CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
      unsigned long long flags),
     (address, bytes, offset, handle, flags), map(manager, address, handle, submit))
REFUSE_BODY(cuMemUnmap, address, (CUdeviceptr address, size_t bytes), (address, bytes))
REFUSE_BODY(cuMemSetAccess, address,
            (CUdeviceptr address, size_t bytes, const CUmemAccessDesc* access, size_t count),
            (address, bytes, access, count))
