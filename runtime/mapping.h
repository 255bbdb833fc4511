// SPDX-License-Identifier: Apache-2.0
// Several handles behind one run of addresses: mapped one after the other, opened by one call.
#pragma once

#include <span>

#include "runtime/driver.h"
#include "runtime/range.h"

namespace spillway {

inline CUdeviceptr address_of(const Piece& piece) {
  return piece.range->body + piece.offset;
}

// All of it, or nothing. `access`: who may use it, at least the device it is for.
template <class Parts>
CUresult map_parts(const Driver& driver, std::span<const CUmemAccessDesc> access, CUdeviceptr start,
                   const Parts& parts) noexcept {
  CUdeviceptr at = start;
  size_t mapped = 0;
  CUresult result = CUDA_SUCCESS;
  for (const auto& part : parts) {
    result = driver.cuMemMap(at, part.bytes, 0, part.handle, 0);
    if (result != CUDA_SUCCESS) break;
    at += part.bytes;
    mapped++;
  }
  if (result == CUDA_SUCCESS) {
    result = driver.cuMemSetAccess(start, at - start, access.data(), access.size());
    if (result == CUDA_SUCCESS) return result;
  }
  at = start;
  for (size_t i = 0; i < mapped; at += parts[i++].bytes) driver.cuMemUnmap(at, parts[i].bytes);
  return result;
}

// All of it; where one refuses, what was already taken away is put back, so that it stays whole.
template <class Parts>
CUresult unmap_parts(const Driver& driver, std::span<const CUmemAccessDesc> access,
                     CUdeviceptr start, const Parts& parts) noexcept {
  CUdeviceptr at = start;
  for (size_t i = 0; i < parts.size(); at += parts[i++].bytes) {
    const CUresult result = driver.cuMemUnmap(at, parts[i].bytes);
    if (result == CUDA_SUCCESS) continue;
    CUdeviceptr back = start;
    for (size_t k = 0; k < i; back += parts[k++].bytes) {
      driver.cuMemMap(back, parts[k].bytes, 0, parts[k].handle, 0);
      driver.cuMemSetAccess(back, parts[k].bytes, access.data(), access.size());
    }
    return result;
  }
  return CUDA_SUCCESS;
}

}  // namespace spillway
