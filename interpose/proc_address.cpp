// SPDX-License-Identifier: Apache-2.0
// cuGetProcAddress: the driver answers first, for the version and flags that the caller gave; what
// it answered with is then replaced by our body of exactly that symbol. Status and failures are the
// driver's. No guard and no Manager: a look-up serves nothing.
#include "interpose/body.h"

namespace {

using spillway::StreamFlavour;

template <class... Arguments>
CUresult look_up(CUresult (*driver)(const char*, void**, int, cuuint64_t, Arguments...),
                 const char* name, void** out, int version, cuuint64_t flags,
                 Arguments... arguments) {
  if (driver == nullptr) return CUDA_ERROR_NOT_SUPPORTED;
  const CUresult result = driver(name, out, version, flags, arguments...);
  if (result != CUDA_SUCCESS || name == nullptr || out == nullptr || *out == nullptr) return result;
  const StreamFlavour flavour = (flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) != 0
                                    ? StreamFlavour::PerThread
                                    : StreamFlavour::Legacy;
  if (void* body = spillway::routes()->body_for(*out, name, flavour)) *out = body;
  return result;
}

}  // namespace

SPILLWAY_EXPORT CUresult cuGetProcAddress(const char* name, void** out, int version,
                                          cuuint64_t flags) {
  using spillway::Row;
  return look_up(spillway::real<decltype(&::cuGetProcAddress)>(Row::cuGetProcAddress), name, out,
                 version, flags);
}

SPILLWAY_EXPORT CUresult cuGetProcAddress_v2(const char* name, void** out, int version,
                                             cuuint64_t flags,
                                             CUdriverProcAddressQueryResult* status) {
  using spillway::Row;
  return look_up(spillway::real<decltype(&::cuGetProcAddress_v2)>(Row::cuGetProcAddress_v2), name,
                 out, version, flags, status);
}
