// SPDX-License-Identifier: Apache-2.0
// Kernels of the driver-API test programs. `stride` lets a big buffer cost few instructions.
#include <cstdint>

#include "kernels.h"

namespace {
__device__ uint32_t thread_index() {
  return blockIdx.x * blockDim.x + threadIdx.x;
}
__device__ uint32_t thread_count() {
  return gridDim.x * blockDim.x;
}
}  // namespace

extern "C" {

__device__ uint32_t* hidden;

__global__ void add(uint32_t* out, uint32_t words, uint32_t stride, uint32_t value) {
  for (uint32_t i = thread_index() * stride; i < words; i += thread_count() * stride)
    out[i] += value;
}

// Adds one to each of many buffers: what a fused optimiser step does.
__global__ void add_to_all(Many many) {
  for (uint32_t i = thread_index() * many.stride; i < many.words;
       i += thread_count() * many.stride) {
    for (uint32_t k = 0; k < many.count; ++k) many.out[k][i] += many.value;
  }
}

__global__ void add_deep(Deep deep) {
  for (uint32_t i = thread_index() * deep.stride; i < deep.words;
       i += thread_count() * deep.stride) {
    deep.operands[2].storage[1].data[i] += deep.value;
    deep.operands[1].storage[0].data[i] += deep.value;
  }
}

__global__ void add_large(Large large) {
  for (uint32_t i = thread_index() * large.stride; i < large.words;
       i += thread_count() * large.stride)
    large.last[i] += large.value + large.filler[1500];
}

__global__ void add_packed(Packed packed, uint32_t stride) {
  for (const PackedEntry& entry : packed.entries) {
    for (uint32_t i = thread_index() * stride; i < entry.words; i += thread_count() * stride)
      entry.data[i] += entry.value;
  }
}

__global__ void add_packed_bytes(PackedBytes p) {
  for (uint32_t i = thread_index() * p.stride; i < p.words; i += thread_count() * p.stride)
    p.data[i] += p.value;
}

__global__ void copy_words(uint32_t* out, const uint32_t* in, uint32_t words, uint32_t stride) {
  for (uint32_t i = thread_index() * stride; i < words; i += thread_count() * stride)
    out[i] = in[i];
}

// Long enough for the host to run far ahead; its result depends on every round.
__global__ void spin_then_add(uint32_t* out, uint32_t rounds, uint32_t value) {
  uint32_t state = value;
  for (uint32_t i = 0; i < rounds; ++i) state = state * 1664525u + 1013904223u;
  if (thread_index() == 0) out[0] += value + (state == 0x12345678u);
}

__global__ void add_through_hidden(uint32_t words, uint32_t stride, uint32_t value) {
  for (uint32_t i = thread_index() * stride; i < words; i += thread_count() * stride) {
    hidden[i] += value;
  }
}

__global__ void add_through_table(uint32_t* const* table, uint32_t count, uint32_t words,
                                  uint32_t stride, uint32_t value) {
  for (uint32_t k = 0; k < count; ++k) {
    for (uint32_t i = thread_index() * stride; i < words; i += thread_count() * stride)
      table[k][i] += value;
  }
}

// Addresses that only the device ever writes.
__global__ void write_table(uint32_t** table, Many many) {
  if (thread_index() != 0) return;
  for (uint32_t k = 0; k < many.count; ++k) table[k] = many.out[k];
}

__global__ void fill_table(uint32_t** table, uint32_t entries, uint32_t* even, uint32_t* odd) {
  for (uint32_t k = thread_index(); k < entries; k += thread_count()) table[k] = k % 2 ? odd : even;
}

__global__ void set_hidden(uint32_t* address) {
  if (thread_index() == 0) hidden = address;
}

__global__ void write_list(Element* first, Many many) {
  if (thread_index() != 0) return;
  for (uint32_t k = 0; k < many.count; ++k)
    first[k] = {many.out[k], k + 1 < many.count ? &first[k + 1] : nullptr};
}

__global__ void add_through_list(const Element* first, uint32_t words, uint32_t stride,
                                 uint32_t value) {
  for (const Element* at = first; at != nullptr; at = at->next) {
    for (uint32_t i = thread_index() * stride; i < words; i += thread_count() * stride)
      at->data[i] += value;
  }
}

// What only a texture or surface names. A sum does not care for the order of its parts.
__global__ void sum_texture(uint32_t* out, cudaTextureObject_t texture, uint32_t words,
                            uint32_t stride) {
  uint32_t sum = 0;
  for (uint32_t i = thread_index() * stride; i < words; i += thread_count() * stride)
    sum += tex1Dfetch<uint32_t>(texture, static_cast<int>(i)) * (i + 1);
  atomicAdd(out, sum);
}

__global__ void sum_texture_plane(uint32_t* out, cudaTextureObject_t texture, uint32_t width,
                                  uint32_t height, uint32_t stride) {
  uint32_t sum = 0;
  for (uint32_t i = thread_index() * stride; i < width * height; i += thread_count() * stride) {
    const float x = static_cast<float>(i % width), y = static_cast<float>(i / width);
    sum += tex2D<uint32_t>(texture, x + 0.5f, y + 0.5f) * (i + 1);
  }
  atomicAdd(out, sum);
}

__global__ void add_to_surface(cudaSurfaceObject_t surface, uint32_t width, uint32_t height,
                               uint32_t stride, uint32_t value) {
  for (uint32_t i = thread_index() * stride; i < width * height; i += thread_count() * stride) {
    const int x = static_cast<int>(i % width * 4), y = static_cast<int>(i / width);
    surf2Dwrite(surf2Dread<uint32_t>(surface, x, y) + value, surface, x, y);
  }
}

__global__ void nothing() {}
}
