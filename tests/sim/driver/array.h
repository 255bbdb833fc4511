// SPDX-License-Identifier: Apache-2.0
// CUDA arrays: memory without an address of its own for the application. Rows lie in device memory
// one after the other.
#pragma once

#include <cuda.h>

#include <cstddef>
#include <memory>

namespace sim {

struct Context;

struct Array {
  Array() = default;
  ~Array();
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  Context* context = nullptr;
  CUDA_ARRAY3D_DESCRIPTOR described{};
  CUdeviceptr address = 0;
  size_t pitch = 0;   // bytes from row to row
  size_t height = 1;  // rows of a slice
};

std::shared_ptr<Array> find_array(CUarray handle);  // null: none
void forget_arrays(const Context* context);
// Bytes of a channel; 0: not a format that is simulated.
unsigned format_bytes(CUarray_format format);

}  // namespace sim
