// SPDX-License-Identifier: Apache-2.0
// Bulk copies and the mbarriers that count them, in a cluster of one block. A copy does not happen
// when it is issued but when somebody waits for it, or with the end of the block: a kernel that
// does not wait sees what was there before.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "tests/sim/ptx/tensor_map.h"

namespace sim::ptx {

struct Block;
struct Inst;
struct Warp;

struct BulkCopy {
  Warp* warp = nullptr;  // who issued it
  const Inst* in = nullptr;
  uint32_t thread = 0;  // in the block
  uint32_t group = 0;   // of that thread's committed ones, from 1; 0: none
  bool store = false;   // to global memory
  bool tensor = false;
  uint32_t shared = 0;    // offset
  uint32_t mbarrier = 0;  // loads: offset of the one that counts it
  uint64_t global = 0;
  uint32_t bytes = 0;
  TensorMap map{};
  int32_t at[kTensorDimensions] = {};
};

struct BulkCopies {
  std::vector<BulkCopy> pending;        // in the order of issue
  std::map<uint32_t, uint32_t> groups;  // thread -> groups it has committed
  void clear() { pending.clear(), groups.clear(); }
};

// Operands of Op::Bulk: shared address, global address or tensor map, bytes, mbarrier, coordinates.
// vec: dimensions, 0 without a tensor map; flag: store; aux: bit i says that address i of shared,
// mbarrier is 64 bits wide. Op::BulkGroup: flag: wait, else commit; imm: groups that may be left.
const Inst* bulk_copy(Warp& warp, const Inst* in);
const Inst* bulk_group(Warp& warp, const Inst* in);

// Op::Mbarrier: aux is one of these; r: result, address, operand; flag: by parity; width2: bytes of
// the address.
enum class Mbarrier : uint8_t {
  Init,
  Inval,
  Arrive,
  ArriveExpectTx,
  ArriveDrop,
  ArriveDropExpectTx,
  ExpectTx,
  CompleteTx,
  TestWait,
  TryWait,
  PendingCount,
};
const Inst* mbarrier(Warp& warp, const Inst* in);
// Bytes of a bulk copy have come.
void complete_transaction(Warp& warp, uint32_t offset, uint32_t bytes);

void finish_copies_for(Block& block, uint32_t mbarrier);
void finish_copies(Block& block);

// The host's pointer to an address of shared memory, generic or not; ends the grid when it is none,
// or not a multiple of `align`.
char* shared_memory(Warp& warp, uint64_t address, bool generic, uint64_t bytes, unsigned align);

}  // namespace sim::ptx
