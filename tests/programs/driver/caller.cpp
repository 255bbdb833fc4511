// SPDX-License-Identifier: Apache-2.0
// A library that allocates for itself, as communication libraries do; built twice, once under the
// beginning of a name that SPILLWAY_EXCLUDE has.
#include "tests/programs/driver/caller.h"

extern "C" CUresult allocate_for_itself(CUdeviceptr* out, size_t bytes) {
  const CUresult result = cuMemAlloc(out, bytes);
  if (result != CUDA_SUCCESS) *out = 0;  // more than a jump, which would leave no frame
  return result;
}
