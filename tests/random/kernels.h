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

// Addresses at multiples of four only.
#pragma pack(push, 4)
struct Packed4 {
  uint32_t salt;
  uint32_t* out;
  const uint32_t* a;
  uint32_t elements;
  const uint32_t* b;
  uint32_t stride;
};
#pragma pack(pop)

// Addresses at odd places, in a struct whose size shows that it is packed.
#pragma pack(push, 1)
struct Packed1 {
  uint8_t tag;
  uint32_t* out;
  uint32_t salt;
  const uint32_t* a;
  uint16_t unused;
  const uint32_t* b;
  uint32_t elements;
  uint32_t stride;
};
#pragma pack(pop)

// Of the matrix of words as which a tensor map shows a buffer, and of the tiles that are read of
// it.
constexpr uint32_t kMatrixWidth = 64;
constexpr uint32_t kTileWidth = 32, kTileHeight = 8;
constexpr uint32_t kTiles = 32;  // at most

constexpr unsigned kMostAddresses = 3;

// To store, or of the nodes of a list to link.
struct Addresses {
  uint32_t count;
  uint64_t address[kMostAddresses];
};

// Data follows each node.
struct ListNode {
  ListNode* next;
  uint64_t unused;
};

}  // namespace random_program
