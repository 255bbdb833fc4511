// SPDX-License-Identifier: Apache-2.0
// What the driver would never be asked of an ordinary allocation: for a range of ours the answer in
// hooks.def, for everything else the driver's.
#include <atomic>

#include "interpose/body.h"
#include "runtime/log.h"

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

// What an ordinary allocation would have been good for is said, once for each function, with the
// way to have it.
CUresult refuse_sharing(spillway::Row row, const char* name) {
  static std::atomic<bool> said[std::size(kAnswers)];
  if (!said[static_cast<size_t>(row)].exchange(true))
    spillway::log(spillway::LogLevel::Warn,
                  "{} is refused: memory that moves cannot be shared with another process; to keep "
                  "what this program shares with the driver, set SPILLWAY_MIN_SIZE above its size",
                  name);
  return kAnswers[static_cast<size_t>(row)];
}

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

BODY(cuIpcGetMemHandle, (CUipcMemHandle * handle, CUdeviceptr address), (handle, address),
     manager->serves(address)
         ? refuse_sharing(spillway::Row::cuIpcGetMemHandle, "cuIpcGetMemHandle")
         : submit())
BODY(cuMemPoolExportPointer, (CUmemPoolPtrExportData * data, CUdeviceptr address), (data, address),
     manager->serves(address)
         ? refuse_sharing(spillway::Row::cuMemPoolExportPointer, "cuMemPoolExportPointer")
         : submit())
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
