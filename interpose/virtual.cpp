// SPDX-License-Identifier: Apache-2.0
// Applications that map memory themselves: what they create is counted, what is theirs passes, and
// what is ours is not for them to unmap.
#include "interpose/body.h"

namespace {

using spillway::Manager;

template <class Submit>
CUresult create(Manager* manager, CUmemGenericAllocationHandle* handle, size_t bytes,
                const CUmemAllocationProp* properties, Submit&& submit) {
  const CUresult result = manager->with_relief(submit);
  if (result == CUDA_SUCCESS) manager->application_created(*handle, bytes, *properties);
  return result;
}

// Before the driver: afterwards another thread may be given the same handle.
template <class Submit>
CUresult release(Manager* manager, CUmemGenericAllocationHandle handle, Submit&& submit) {
  manager->application_released(handle);
  manager->unpin_for(spillway::Hidden::Kind::Handle, handle);
  return submit();
}

}  // namespace

STARTING_BODY(cuMemCreate,
              (CUmemGenericAllocationHandle * handle, size_t bytes,
               const CUmemAllocationProp* properties, unsigned long long flags),
              (handle, bytes, properties, flags),
              create(manager, handle, bytes, properties, submit))

BODY(cuMemRelease, (CUmemGenericAllocationHandle handle), (handle),
     release(manager, handle, submit))
