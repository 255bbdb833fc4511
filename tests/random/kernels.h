// SPDX-License-Identifier: Apache-2.0
// By-value structs of the random kernels, as host and device see them.
#pragma once

#include <cstdint>

namespace random_program {

constexpr unsigned kBundleInputs = 12;
constexpr unsigned kWideInputs = 200;  // what a fused optimiser step passes in one launch

// Pointers in the middle of a struct, at the end of one, and unused slots left null.
struct Bundle {
  uint32_t salt;
  uint32_t count;  // inputs in use
  uint32_t* out;
  const uint32_t* in[kBundleInputs];
  uint32_t elements;
  uint32_t stride;
};

struct Wide {
  uint32_t salt;
  uint32_t count;
  uint32_t elements;
  uint32_t stride;
  uint32_t* out;
  const uint32_t* in[kWideInputs];
};

}  // namespace random_program
