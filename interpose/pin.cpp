// SPDX-License-Identifier: Apache-2.0
// Calls after which somebody else may use a range at any time: it stays on the device from then on.
#include "interpose/body.h"

namespace {

using spillway::Manager;
using spillway::PinReason;

template <class Submit>
CUresult pinned(Manager* manager, CUdeviceptr address, PinReason reason, Submit&& submit) {
  const CUresult result = manager->pin(address, reason);
  return result == CUDA_SUCCESS ? submit() : result;
}

template <class Submit>
CUresult textured(Manager* manager, const CUDA_RESOURCE_DESC* resource, Submit&& submit) {
  CUdeviceptr address = 0;
  if (resource != nullptr && resource->resType == CU_RESOURCE_TYPE_LINEAR) {
    address = resource->res.linear.devPtr;
  } else if (resource != nullptr && resource->resType == CU_RESOURCE_TYPE_PITCH2D) {
    address = resource->res.pitch2D.devPtr;
  }
  return pinned(manager, address, PinReason::Texture, submit);
}

}  // namespace

BODY(cuMemRetainAllocationHandle, (CUmemGenericAllocationHandle * handle, void* address),
     (handle, address),
     pinned(manager, reinterpret_cast<CUdeviceptr>(address), PinReason::Exported, submit))

BODY(cuMemGetHandleForAddressRange,
     (void* handle, CUdeviceptr address, size_t bytes, CUmemRangeHandleType type,
      unsigned long long flags),
     (handle, address, bytes, type, flags), pinned(manager, address, PinReason::Exported, submit))

BODY(cuMulticastBindAddr,
     (CUmemGenericAllocationHandle multicast, size_t offset, CUdeviceptr address, size_t bytes,
      unsigned long long flags),
     (multicast, offset, address, bytes, flags),
     pinned(manager, address, PinReason::Registered, submit))

BODY(cuPointerSetAttribute, (const void* value, CUpointer_attribute attribute, CUdeviceptr address),
     (value, attribute, address), pinned(manager, address, PinReason::Registered, submit))

BODY(cuTexObjectCreate,
     (CUtexObject * out, const CUDA_RESOURCE_DESC* resource, const CUDA_TEXTURE_DESC* texture,
      const CUDA_RESOURCE_VIEW_DESC* view),
     (out, resource, texture, view), textured(manager, resource, submit))

BODY(cuTexRefSetAddress_v2, (size_t * offset, CUtexref texture, CUdeviceptr address, size_t bytes),
     (offset, texture, address, bytes), pinned(manager, address, PinReason::Texture, submit))
BODY(cuTexRefSetAddress2D_v2,
     (CUtexref texture, const CUDA_ARRAY_DESCRIPTOR* shape, CUdeviceptr address, size_t pitch),
     (texture, shape, address, pitch), pinned(manager, address, PinReason::Texture, submit))
BODY(cuTexRefSetAddress2D_v3,
     (CUtexref texture, const CUDA_ARRAY_DESCRIPTOR* shape, CUdeviceptr address, size_t pitch),
     (texture, shape, address, pitch), pinned(manager, address, PinReason::Texture, submit))

#define WAIT_BODY(symbol, Value)                                                         \
  BODY_PTSZ(symbol, (CUstream stream, CUdeviceptr address, Value value, unsigned flags), \
            (stream, address, value, flags), pinned(manager, address, PinReason::Waited, submit))

WAIT_BODY(cuStreamWaitValue32, cuuint32_t)
WAIT_BODY(cuStreamWaitValue64, cuuint64_t)
WAIT_BODY(cuStreamWaitValue32_v2, cuuint32_t)
WAIT_BODY(cuStreamWaitValue64_v2, cuuint64_t)
