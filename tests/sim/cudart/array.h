// SPDX-License-Identifier: Apache-2.0
// CUDA arrays, as copies need to know them.
#pragma once

#include <driver_types.h>

namespace sim::cudart {

cudaError_t element_bytes(cudaArray_const_t array, size_t* bytes);

}  // namespace sim::cudart
