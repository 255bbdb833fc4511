// SPDX-License-Identifier: Apache-2.0
// Questions about memory: a range is ordinary device memory, and there is as much as the
// application may fill. How much there is may be asked before anything is allocated, and must not
// change after.
#include "interpose/body.h"

STARTING_BODY(cuMemGetInfo_v2, (size_t * free, size_t* total), (free, total),
              manager->mem_info(free, total))

STARTING_BODY(cuDeviceTotalMem_v2, (size_t * bytes, CUdevice device), (bytes, device),
              manager->total_memory(bytes, device))

BODY(cuMemGetAddressRange_v2, (CUdeviceptr * base, size_t* size, CUdeviceptr address),
     (base, size, address), manager->address_range(base, size, address))

BODY(cuPointerGetAttribute, (void* data, CUpointer_attribute attribute, CUdeviceptr address),
     (data, attribute, address), manager->pointer_attribute(data, attribute, address))

BODY(cuPointerGetAttributes,
     (unsigned count, CUpointer_attribute* attributes, void** data, CUdeviceptr address),
     (count, attributes, data, address),
     manager->pointer_attributes(count, attributes, data, address))
