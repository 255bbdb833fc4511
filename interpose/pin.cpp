// SPDX-License-Identifier: Apache-2.0
// Calls after which somebody else may use a range at any time: it stays on the device from then on,
// until the object that uses it is gone where that can be seen.
#include <cstring>

#include "interpose/body.h"

namespace {

using spillway::Manager;
using Kind = spillway::Hidden::Kind;
using spillway::PinReason;

template <class Submit>
CUresult pinned(Manager* manager, CUdeviceptr address, PinReason reason, Submit&& submit) {
  const CUresult result = manager->pin(address, reason);
  return result == CUDA_SUCCESS ? submit() : result;
}

CUdeviceptr address_of(const CUDA_RESOURCE_DESC* resource) {
  if (resource == nullptr) return 0;
  switch (resource->resType) {
    case CU_RESOURCE_TYPE_LINEAR:
      return resource->res.linear.devPtr;
    case CU_RESOURCE_TYPE_PITCH2D:
      return resource->res.pitch2D.devPtr;
    default:
      return 0;  // arrays have no address
  }
}

template <class Submit>
CUresult destroyed(Manager* manager, Kind kind, uint64_t object, Submit&& submit) {
  const CUresult result = submit();
  if (result == CUDA_SUCCESS) manager->unpin_for(kind, object);
  return result;
}

// A reference is bound to one address at a time.
template <class Submit>
CUresult bound(Manager* manager, CUtexref reference, CUdeviceptr address, Submit&& submit) {
  const auto object = reinterpret_cast<unsigned long long>(reference);
  return manager->pin_for(
      Kind::TextureReference, &object, address, PinReason::Texture,
      [&]() noexcept { return destroyed(manager, Kind::TextureReference, object, submit); });
}

template <class Submit>
CUresult set_attribute(Manager* manager, const void* value, CUpointer_attribute attribute,
                       CUdeviceptr address, Submit&& submit) {
  if (attribute != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS || value == nullptr)
    return pinned(manager, address, PinReason::Registered, submit);
  unsigned wanted;
  std::memcpy(&wanted, value, sizeof wanted);
  const auto again = [&]() noexcept {
    return destroyed(manager, Kind::Synchronous, address, submit);
  };
  const unsigned long long object = address;
  return wanted
             ? manager->pin_for(Kind::Synchronous, &object, address, PinReason::Registered, again)
             : again();
}

// One bind of many to a multicast object.
unsigned long long bind_name(CUmemGenericAllocationHandle multicast, size_t offset) {
  return multicast * 0x9E3779B97F4A7C15u + offset;
}

template <class Submit>
CUresult bind(Manager* manager, CUmemGenericAllocationHandle multicast, size_t offset,
              CUdeviceptr address, Submit&& submit) {
  const unsigned long long object = bind_name(multicast, offset);
  return manager->pin_for(Kind::Multicast, &object, address, PinReason::Registered, submit);
}

template <class Submit>
CUresult shared(Manager* manager, CUmemGenericAllocationHandle handle, Submit&& submit) {
  manager->pin_for_good(Kind::Handle, handle);
  return submit();
}

}  // namespace

// The application's own handles pass; one of ours is still until it is released.
BODY(cuMemRetainAllocationHandle, (CUmemGenericAllocationHandle * handle, void* address),
     (handle, address),
     manager->pin_for(Kind::Handle, handle, reinterpret_cast<CUdeviceptr>(address),
                      PinReason::Exported, submit))
BODY(cuMemExportToShareableHandle,
     (void* out, CUmemGenericAllocationHandle handle, CUmemAllocationHandleType type,
      unsigned long long flags),
     (out, handle, type, flags), shared(manager, handle, submit))
BODY(cuMulticastBindMem,
     (CUmemGenericAllocationHandle multicast, size_t offset, CUmemGenericAllocationHandle handle,
      size_t handle_offset, size_t bytes, unsigned long long flags),
     (multicast, offset, handle, handle_offset, bytes, flags), shared(manager, handle, submit))

BODY(cuMemGetHandleForAddressRange,
     (void* handle, CUdeviceptr address, size_t bytes, CUmemRangeHandleType type,
      unsigned long long flags),
     (handle, address, bytes, type, flags), pinned(manager, address, PinReason::Exported, submit))

BODY(cuMulticastBindAddr,
     (CUmemGenericAllocationHandle multicast, size_t offset, CUdeviceptr address, size_t bytes,
      unsigned long long flags),
     (multicast, offset, address, bytes, flags), bind(manager, multicast, offset, address, submit))
BODY(cuMulticastUnbind,
     (CUmemGenericAllocationHandle multicast, CUdevice device, size_t offset, size_t bytes),
     (multicast, device, offset, bytes),
     destroyed(manager, Kind::Multicast, bind_name(multicast, offset), submit))

BODY(cuPointerSetAttribute, (const void* value, CUpointer_attribute attribute, CUdeviceptr address),
     (value, attribute, address), set_attribute(manager, value, attribute, address, submit))

BODY(cuTexObjectCreate,
     (CUtexObject * out, const CUDA_RESOURCE_DESC* resource, const CUDA_TEXTURE_DESC* texture,
      const CUDA_RESOURCE_VIEW_DESC* view),
     (out, resource, texture, view),
     manager->pin_for(Kind::Texture, out, address_of(resource), PinReason::Texture, submit))
BODY(cuTexObjectDestroy, (CUtexObject texture), (texture),
     destroyed(manager, Kind::Texture, texture, submit))

BODY(cuTexRefSetAddress_v2, (size_t * offset, CUtexref texture, CUdeviceptr address, size_t bytes),
     (offset, texture, address, bytes), bound(manager, texture, address, submit))
BODY(cuTexRefSetAddress2D_v2,
     (CUtexref texture, const CUDA_ARRAY_DESCRIPTOR* shape, CUdeviceptr address, size_t pitch),
     (texture, shape, address, pitch), bound(manager, texture, address, submit))
BODY(cuTexRefSetAddress2D_v3,
     (CUtexref texture, const CUDA_ARRAY_DESCRIPTOR* shape, CUdeviceptr address, size_t pitch),
     (texture, shape, address, pitch), bound(manager, texture, address, submit))

#define WAIT_BODY(symbol, Value)                                                         \
  BODY_PTSZ(symbol, (CUstream stream, CUdeviceptr address, Value value, unsigned flags), \
            (stream, address, value, flags), pinned(manager, address, PinReason::Waited, submit))

WAIT_BODY(cuStreamWaitValue32, cuuint32_t)
WAIT_BODY(cuStreamWaitValue64, cuuint64_t)
WAIT_BODY(cuStreamWaitValue32_v2, cuuint32_t)
WAIT_BODY(cuStreamWaitValue64_v2, cuuint64_t)
