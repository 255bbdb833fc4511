// SPDX-License-Identifier: Apache-2.0
// By-value struct of the test kernels, as host and device see it.
#pragma once

#include <cstdint>

constexpr unsigned kMany = 24;

// An element of a list that spans buffers.
struct Element {
  uint32_t* data;
  Element* next;
};

struct Many {
  uint32_t count, words, stride, value;
  uint32_t* out[kMany];
};
