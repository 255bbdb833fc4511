// SPDX-License-Identifier: Apache-2.0
// Kernels of the random programs. Integers only, and every result independent of the order in which
// threads run. They touch one element in `stride`, so that a big buffer costs few instructions
// while each of its pages is reached.
#include "kernels_device.h"

using namespace random_program;

extern "C" {

__device__ uint32_t* hidden_pointer;  // a module global that holds an address

__global__ void fill(uint32_t* out, uint32_t elements, uint32_t stride, uint32_t salt) {
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    out[i] = mixed(salt, i);
  }
}

// `spectator` is passed and never used: null, one past the end, or somebody's address.
__global__ void blend(uint32_t* out, const uint32_t* a, const uint32_t* b, const void* spectator,
                      uint32_t elements, uint32_t stride, uint32_t salt) {
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    out[i] = mixed(out[i] + a[i], b[i] + salt + i);
  }
}

__global__ void blend8(uint32_t* out, const uint32_t* a, const uint32_t* b, const uint32_t* c,
                       const uint32_t* d, const uint32_t* e, const uint32_t* f, const uint32_t* g,
                       uint32_t elements, uint32_t stride, uint32_t salt) {
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    uint32_t value = mixed(out[i], salt);
    value = mixed(value + a[i], b[i]);
    value = mixed(value + c[i], d[i]);
    value = mixed(value + e[i], f[i]);
    out[i] = mixed(value, g[i]);
  }
}

__global__ void bundle(Bundle p) {
  for (uint32_t i = thread_index() * p.stride; i < p.elements; i += thread_count() * p.stride) {
    uint32_t value = mixed(p.out[i], p.salt);
    for (uint32_t k = 0; k < p.count; ++k) value = mixed(value + k, p.in[k][i]);
    p.out[i] = value;
  }
}

__global__ void wide(Wide p) {
  for (uint32_t i = thread_index() * p.stride; i < p.elements; i += thread_count() * p.stride) {
    uint32_t value = mixed(p.out[i], p.salt);
    for (uint32_t k = 0; k < p.count; ++k) value = mixed(value + k, p.in[k][i]);
    p.out[i] = value;
  }
}

// Any alignment: interior pointers at odd offsets.
__global__ void bytes(uint8_t* out, const uint8_t* in, uint32_t elements, uint32_t stride,
                      uint32_t salt) {
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    out[i] = (uint8_t)mixed(out[i] + salt, in[i] + i);
  }
}

// 256 bins.
__global__ void histogram(uint32_t* bins, const uint32_t* in, uint32_t elements, uint32_t stride,
                          uint32_t salt) {
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    atomicAdd(&bins[mixed(in[i], salt) >> 24], i);
  }
}

// Blocks of 128 threads; out has one word for each block.
__global__ void block_sums(uint32_t* out, const uint32_t* in, uint32_t elements, uint32_t stride,
                           uint32_t salt) {
  __shared__ uint32_t sums[128];
  uint32_t sum = salt;
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    sum += mixed(in[i], i);
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (uint32_t half = 64; half > 0; half /= 2) {
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) out[blockIdx.x] = mixed(out[blockIdx.x], sums[0]);
}

// The same by blocks that all run at once: each sees the sums of all. out[0] is 0 before.
__global__ void barrier_sums(uint32_t* out, const uint32_t* in, uint32_t elements, uint32_t stride,
                             uint32_t salt) {
  __shared__ uint32_t sum;
  if (threadIdx.x == 0) sum = 0;
  __syncthreads();
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    atomicAdd(&sum, mixed(in[i], salt + i));
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    out[8 + blockIdx.x] = sum;
    __threadfence();
    atomicAdd(out, 1);
    while (atomicAdd(out, 0) < gridDim.x) {
    }
    for (uint32_t block = 0; block < gridDim.x; ++block) {
      sum = mixed(sum, ((volatile uint32_t*)out)[8 + block]);
    }
    out[128 + blockIdx.x] = sum;
  }
}

// Rows of `width` bytes, `pitch` apart; every 13th byte of each.
__global__ void rows(uint8_t* base, uint64_t pitch, uint32_t width, uint32_t height,
                     uint32_t salt) {
  for (uint32_t y = thread_index(); y < height; y += thread_count()) {
    for (uint32_t x = y % 13; x < width; x += 13 * 16) {
      base[y * pitch + x] = (uint8_t)mixed(base[y * pitch + x] + salt, x * 31 + y);
    }
  }
}

// Addresses read from device memory: no launch argument names the buffers.
__global__ void through_table(uint32_t* const* table, uint32_t count, uint32_t elements,
                              uint32_t stride, uint32_t salt) {
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    for (uint32_t k = 0; k < count; ++k) table[k][i] = mixed(table[k][i] + k, salt + i);
  }
}

__global__ void follow_list(ListNode* first, uint32_t elements, uint32_t stride, uint32_t salt) {
  for (ListNode* node = first; node != nullptr; node = node->next) {
    uint32_t* data = (uint32_t*)(node + 1);
    for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
      data[i] = mixed(data[i], salt + i);
    }
  }
}

__global__ void store_addresses(uint64_t* to, Addresses what) {
  for (uint32_t i = thread_index(); i < what.count; i += thread_count()) to[i] = what.address[i];
}

__global__ void link_nodes(Addresses nodes) {
  for (uint32_t i = thread_index(); i < nodes.count; i += thread_count()) {
    ListNode* node = (ListNode*)nodes.address[i];
    node->next = i + 1 < nodes.count ? (ListNode*)nodes.address[i + 1] : nullptr;
    node->unused = 0;
  }
}

__global__ void store_global(uint32_t* address) {
  if (thread_index() == 0) hidden_pointer = address;
}

__global__ void packed4(Packed4 p) {
  for (uint32_t i = thread_index() * p.stride; i < p.elements; i += thread_count() * p.stride) {
    p.out[i] = mixed(p.out[i] + p.a[i], p.b[i] + p.salt);
  }
}

__global__ void packed1(Packed1 p) {
  for (uint32_t i = thread_index() * p.stride; i < p.elements; i += thread_count() * p.stride) {
    p.out[i] = mixed(p.out[i] + p.a[i], p.b[i] + p.salt);
  }
}

__global__ void sample(uint32_t* out, cudaTextureObject_t texture, uint32_t elements,
                       uint32_t stride, uint32_t salt) {
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    out[i] = mixed(out[i] + salt, tex1Dfetch<uint32_t>(texture, (int)i));
  }
}

__global__ void surface(cudaSurfaceObject_t surface, const uint32_t* in, uint32_t width,
                        uint32_t height, uint32_t salt) {
  for (uint32_t y = thread_index(); y < height; y += thread_count()) {
    for (uint32_t x = y % 7; x < width; x += 7 * 4) {
      const uint32_t old = surf2Dread<uint32_t>(surface, (int)x * 4, (int)y);
      surf2Dwrite(mixed(old + salt, in[y * width + x]), surface, (int)x * 4, (int)y);
    }
  }
}

__global__ void through_global(uint32_t elements, uint32_t stride, uint32_t salt) {
  uint32_t* out = hidden_pointer;
  for (uint32_t i = thread_index() * stride; i < elements; i += thread_count() * stride) {
    out[i] = mixed(out[i], salt + i);
  }
}
}
