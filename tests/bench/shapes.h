// SPDX-License-Identifier: Apache-2.0
// The launches that are measured, by the shape of their parameters.
#pragma once

namespace bench {

constexpr int kMostPointers = 16;

struct Shape {
  const char* kernel;
  int pointers;
  bool block;  // one struct of 512 bytes, eight pointers in it
};

constexpr Shape kShapes[] = {
    {"pointers_0", 0, false}, {"pointers_1", 1, false},   {"pointers_4", 4, false},
    {"pointers_8", 8, false}, {"pointers_16", 16, false}, {"bytes_512", 0, true},
};

}  // namespace bench
