// SPDX-License-Identifier: Apache-2.0
// Tensor map descriptors (TMA). Of the real layout only one thing is known well enough to rely on:
// the first 8 bytes are the global address, little-endian. The rest is in an order of our own
// (ptx/tensor_map.h). Nothing looks at the address when a descriptor is made.
#include <cstring>

#include "tests/sim/driver/api.h"
#include "tests/sim/driver/settings.h"
#include "tests/sim/ptx/tensor_map.h"

namespace sim {
namespace {

using Layout = ptx::TensorMap;
constexpr unsigned kMostDimensions = ptx::kTensorDimensions;

// What both encodings have in common.
struct Tensor {
  CUtensorMapDataType type;
  unsigned rank;
  uint64_t address;
  const cuuint64_t* dims;
  const cuuint64_t* strides;  // of all dimensions but the first
  const cuuint32_t* steps;    // element strides
  CUtensorMapInterleave interleave;
  CUtensorMapSwizzle swizzle;
};

unsigned element_bytes(CUtensorMapDataType type) {
  constexpr unsigned kBytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
  return type < std::size(kBytes) ? kBytes[type] : 0;
}

// Sub-byte types are for later devices.
CUresult check(const CUtensorMap* out, const Tensor& t) {
  if (settings().compute < 90) return CUDA_ERROR_NOT_SUPPORTED;
  if (!out || reinterpret_cast<uintptr_t>(out) % 64 != 0) return CUDA_ERROR_INVALID_VALUE;
  if (!element_bytes(t.type) || !t.rank || t.rank > kMostDimensions || !t.address || !t.dims ||
      !t.steps || (t.rank > 1 && !t.strides)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (t.interleave > CU_TENSOR_MAP_INTERLEAVE_32B || t.swizzle > CU_TENSOR_MAP_SWIZZLE_128B) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (t.interleave != CU_TENSOR_MAP_INTERLEAVE_NONE && t.rank < 3) return CUDA_ERROR_INVALID_VALUE;
  const bool by_32 = t.interleave == CU_TENSOR_MAP_INTERLEAVE_32B;
  if (by_32 && t.swizzle != CU_TENSOR_MAP_SWIZZLE_32B) return CUDA_ERROR_INVALID_VALUE;
  const unsigned align = by_32 ? 32 : 16;
  if (t.address % align != 0) return CUDA_ERROR_INVALID_VALUE;
  for (unsigned i = 0; i < t.rank; ++i) {
    if (!t.dims[i] || t.dims[i] > 1ull << 32 || !t.steps[i] || t.steps[i] > 8) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (i + 1 < t.rank && (t.strides[i] % align != 0 || t.strides[i] >= 1ull << 40)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
  }
  return CUDA_SUCCESS;
}

Layout encode(const Tensor& t, CUtensorMapL2promotion l2, CUtensorMapFloatOOBfill fill) {
  Layout made{};
  made.address = t.address;
  made.type = static_cast<uint8_t>(t.type);
  made.rank = static_cast<uint8_t>(t.rank);
  made.interleave = static_cast<uint8_t>(t.interleave);
  made.swizzle = static_cast<uint8_t>(t.swizzle);
  made.l2 = static_cast<uint8_t>(l2);
  made.fill = static_cast<uint8_t>(fill);
  made.element = static_cast<uint8_t>(element_bytes(t.type));
  for (unsigned i = 0; i < t.rank; ++i) {
    made.steps[i] = static_cast<uint8_t>(t.steps[i]);
    made.dims_less_one[i] = static_cast<uint32_t>(t.dims[i] - 1);
    if (i + 1 < t.rank) made.strides_by_16[i] = static_cast<uint32_t>(t.strides[i] / 16);
  }
  return made;
}

CUresult give(Layout layout, CUtensorMap* out) {
  layout.seal = seal_of(layout);
  std::memset(out, 0, sizeof *out);
  std::memcpy(out, &layout, sizeof layout);
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace sim

SIM_API cuTensorMapEncodeTiled(CUtensorMap* out, CUtensorMapDataType type, cuuint32_t rank,
                               void* address, const cuuint64_t* dims, const cuuint64_t* strides,
                               const cuuint32_t* box, const cuuint32_t* steps,
                               CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                               CUtensorMapL2promotion l2, CUtensorMapFloatOOBfill fill) {
  SIM_ENTER_ALWAYS(cuTensorMapEncodeTiled);
  const sim::Tensor tensor{
      type, rank, reinterpret_cast<uint64_t>(address), dims, strides, steps, interleave, swizzle};
  if (const CUresult status = sim::check(out, tensor)) return status;
  if (!box) return CUDA_ERROR_INVALID_VALUE;
  sim::Layout layout = sim::encode(tensor, l2, fill);
  constexpr unsigned kMostBox = 256;
  for (unsigned i = 0; i < rank; ++i) {
    if (!box[i] || box[i] > kMostBox) return CUDA_ERROR_INVALID_VALUE;
    layout.box[i] = box[i];
  }
  // The inner row of the box is moved 16 bytes at a time, and a swizzle has its span.
  const unsigned row = box[0] * sim::element_bytes(type);
  const unsigned span = swizzle == CU_TENSOR_MAP_SWIZZLE_NONE ? ~0u : 16u << swizzle;
  if (interleave == CU_TENSOR_MAP_INTERLEAVE_NONE && (row % 16 != 0 || row > span)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return sim::give(layout, out);
}

SIM_API cuTensorMapEncodeIm2col(CUtensorMap* out, CUtensorMapDataType type, cuuint32_t rank,
                                void* address, const cuuint64_t* dims, const cuuint64_t* strides,
                                const int* lower, const int* upper, cuuint32_t channels,
                                cuuint32_t pixels, const cuuint32_t* steps,
                                CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                CUtensorMapL2promotion l2, CUtensorMapFloatOOBfill fill) {
  SIM_ENTER_ALWAYS(cuTensorMapEncodeIm2col);
  const sim::Tensor tensor{
      type, rank, reinterpret_cast<uint64_t>(address), dims, strides, steps, interleave, swizzle};
  if (const CUresult status = sim::check(out, tensor)) return status;
  constexpr unsigned kMostChannels = 256, kMostPixels = 1024;
  if (rank < 3 || !lower || !upper || !channels || channels > kMostChannels || !pixels ||
      pixels > kMostPixels) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  sim::Layout layout = sim::encode(tensor, l2, fill);
  layout.im2col = 1;
  layout.box[0] = channels;
  layout.box[1] = pixels;
  for (unsigned i = 0; i + 2 < rank; ++i) {
    layout.lower[i] = static_cast<int8_t>(lower[i]);
    layout.upper[i] = static_cast<int8_t>(upper[i]);
  }
  return sim::give(layout, out);
}

SIM_API cuTensorMapReplaceAddress(CUtensorMap* map, void* address) {
  SIM_ENTER_ALWAYS(cuTensorMapReplaceAddress);
  const auto fresh = reinterpret_cast<uint64_t>(address);
  if (!map || reinterpret_cast<uintptr_t>(map) % 64 != 0 || !fresh) return CUDA_ERROR_INVALID_VALUE;
  sim::Layout layout;
  std::memcpy(&layout, map, sizeof layout);
  const unsigned align = layout.interleave == CU_TENSOR_MAP_INTERLEAVE_32B ? 32 : 16;
  if (layout.seal != seal_of(layout) || fresh % align != 0) return CUDA_ERROR_INVALID_VALUE;
  layout.address = fresh;
  return sim::give(layout, map);
}
