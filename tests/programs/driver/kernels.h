// SPDX-License-Identifier: Apache-2.0
// By-value structs of the test kernels, as host and device see it.
#pragma once

#include <cstdint>

constexpr unsigned kMany = 24;

// An element of a list that spans buffers.
struct Element {
  uint32_t* data;
  Element* next;
};

// A struct within a struct within an array, as a library of templates passes its operands.
struct Operand {
  uint64_t shape[2];
  struct {
    uint32_t kind, flags;
    uint32_t* data;
  } storage[2];
};
struct Deep {
  uint32_t words, stride, value;
  uint32_t numbers[5];  // not addresses, whatever they look like
  Operand operands[3];
};

// More than the 4 KiB of parameters that there once were.
struct Large {
  uint32_t words, stride, value, filler[1501];
  uint32_t* last;
};

#pragma pack(push, 4)
struct PackedEntry {
  uint32_t words;
  uint32_t* data;
  uint32_t value;
};
// As large as a struct of whole 8-byte words, and no address in it is at a multiple of 8.
struct Packed {
  PackedEntry entries[2];
};
#pragma pack(pop)

// Its size shows that it is packed.
#pragma pack(push, 1)
struct PackedBytes {
  uint8_t kind;
  uint32_t* data;
  uint32_t words, stride, value;
};
#pragma pack(pop)

struct Many {
  uint32_t count, words, stride, value;
  uint32_t* out[kMany];
};
