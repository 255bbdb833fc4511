// SPDX-License-Identifier: Apache-2.0
// Allocations and frees. The first of them in a process starts the Manager.
#include "interpose/body.h"

STARTING_BODY(cuMemAlloc_v2, (CUdeviceptr * out, size_t bytes), (out, bytes),
              manager->allocate(out, bytes))

STARTING_BODY(cuMemAllocPitch_v2,
              (CUdeviceptr * out, size_t* pitch, size_t width, size_t height, unsigned element),
              (out, pitch, width, height, element),
              manager->allocate_pitch(out, pitch, width, height, element))

STARTING_BODY_PTSZ(cuMemAllocAsync, (CUdeviceptr * out, size_t bytes, CUstream stream),
                   (out, bytes, stream), manager->allocate_async(out, bytes, nullptr, on(stream)))

// A null pool is an error of this call, not a wish for the current one: the driver says so.
STARTING_BODY_PTSZ(cuMemAllocFromPoolAsync,
                   (CUdeviceptr * out, size_t bytes, CUmemoryPool pool, CUstream stream),
                   (out, bytes, pool, stream),
                   pool == nullptr ? submit()
                                   : manager->allocate_async(out, bytes, pool, on(stream)))

BODY(cuMemFree_v2, (CUdeviceptr address), (address), manager->release(address))

BODY_PTSZ(cuMemFreeAsync, (CUdeviceptr address, CUstream stream), (address, stream),
          manager->release_async(address, on(stream)))
