// SPDX-License-Identifier: Apache-2.0
// Lowering of bulk copies and mbarriers.
#include "tests/sim/ptx/bulk.h"
#include "tests/sim/ptx/lower.h"

namespace sim::ptx {

// A register that holds the whole address, displacement included.
uint32_t Lower::whole_address(const Operand& o, Space space, unsigned* width) {
  Inst a;
  a.space = space;
  const uint32_t base = address(o, &a);
  if (a.flag) throw Refused("address of a parameter or a local variable");
  *width = a.width2;
  if (!a.imm) return base;
  const uint32_t sum = temporary(a.width2), add = constant(static_cast<uint64_t>(a.imm), a.width2);
  Inst& in = emit(Op::Add, a.width2 == 8 ? Type::U64 : Type::U32);
  in.r[0] = sum;
  in.r[1] = base;
  in.r[2] = add;
  return sum;
}

// What follows cp.async.bulk. Hints (L2, prefetch) do nothing; multicast, reductions and copies
// between the blocks of a cluster are refused by what is left of the opcode.
void Lower::cp_bulk() {
  if (take("commit_group")) {
    emit(Op::BulkGroup, Type::B32);
    return;
  }
  if (take("wait_group")) {
    take("read");
    if (operand(0).kind != Operand::Kind::Integer) throw Invalid("number of groups is no constant");
    const auto left = static_cast<int64_t>(operand(0).value);
    Inst& in = emit(Op::BulkGroup, Type::B32);
    in.flag = true;
    in.imm = left;
    return;
  }
  if (take("prefetch")) return prefetch();
  Inst made;
  made.op = Op::Bulk;
  made.vec = 0;
  const bool tensor = take("tensor");
  if (tensor) {
    constexpr std::string_view kDimensions[kTensorDimensions] = {"1d", "2d", "3d", "4d", "5d"};
    for (uint8_t i = 0; i < kTensorDimensions; ++i)
      if (take(kDimensions[i])) made.vec = static_cast<uint8_t>(i + 1);
    if (!made.vec) throw Refused("geometry of a tensor copy");
    take("tile");
  }
  const bool to_shared = !words_.empty() && words_[0].starts_with("shared::");
  const bool from_shared = words_.size() > 1 && words_[1].starts_with("shared::");
  if (to_shared == from_shared) throw Refused("form of cp.async.bulk");
  take("shared::cluster") || take("shared::cta");
  if (!take("global")) throw Refused("form of cp.async.bulk");
  if (!take(to_shared ? "mbarrier::complete_tx::bytes" : "bulk_group"))
    throw Invalid("a bulk copy without a completion");
  made.flag = !to_shared;
  const Operand& shared = operand(to_shared ? 0 : 1);
  const Operand& global = operand(to_shared ? 1 : 0);
  unsigned width = 0;
  made.r[0] = whole_address(shared, Space::Shared, &width);
  made.aux = width == 8;
  made.r[1] = whole_address(global, tensor ? Space::Generic : Space::Global, &width);
  if (width != 8) throw Invalid("global address is not 64 bits");
  size_t next = 2;
  if (tensor) {
    if (global.list.size() != made.vec) throw Invalid("wrong number of coordinates");
    for (size_t i = 0; i < made.vec; ++i) made.r[4 + i] = source(global.list[i], Type::S32);
  } else {
    made.r[2] = source(operand(next++), Type::U32);
  }
  if (to_shared) {
    made.r[3] = whole_address(operand(next++), Space::Shared, &width);
    made.aux |= static_cast<uint8_t>((width == 8) << 1);
  }
  if (next != now_->operands.size()) throw Refused("form of cp.async.bulk");
  emit(Op::Bulk, Type::B32) = made;
}

void Lower::mbarrier() {
  Inst made;
  made.op = Op::Mbarrier;
  bool waits = false, counts = false, has_state = false;
  const auto be = [&](Mbarrier kind) { made.aux = static_cast<uint8_t>(kind); };
  if (take("init")) {
    be(Mbarrier::Init);
    counts = true;
  } else if (take("inval")) {
    be(Mbarrier::Inval);
  } else if (take("arrive") || take("arrive_drop")) {
    const bool drop = now_->opcode[1] == "arrive_drop";
    const bool expect = take("expect_tx");
    take("noComplete");
    be(expect ? (drop ? Mbarrier::ArriveDropExpectTx : Mbarrier::ArriveExpectTx)
              : (drop ? Mbarrier::ArriveDrop : Mbarrier::Arrive));
    counts = has_state = true;
  } else if (take("expect_tx")) {
    be(Mbarrier::ExpectTx);
    counts = true;
  } else if (take("complete_tx")) {
    be(Mbarrier::CompleteTx);
    counts = true;
  } else if (take("test_wait")) {
    be(Mbarrier::TestWait);
    waits = true;
  } else if (take("try_wait")) {
    be(Mbarrier::TryWait);
    waits = true;
  } else if (take("pending_count")) {
    be(Mbarrier::PendingCount);
  } else {
    throw Refused("form of mbarrier");
  }
  made.flag = take("parity");
  bool order = false;
  take_memory_order(&order);
  made.space = take_space();
  if (type() != Type::B64) throw Invalid("an mbarrier has 64 bits");
  if (static_cast<Mbarrier>(made.aux) == Mbarrier::PendingCount) {
    made.r[0] = destination(operand(0), Type::B32);
    made.r[2] = source(operand(1), Type::B64);
    emit(Op::Mbarrier, Type::B64) = made;
    return;
  }
  size_t next = 0;
  if (waits) {
    made.r[0] = destination(operand(next++), Type::Pred);
  } else if (has_state && operand(0).kind != Operand::Kind::Memory) {
    made.r[0] = destination(operand(next++), Type::B64);
    made.flag2 = made.r[0] != kNoOperand;
  }
  made.r[1] = address(operand(next++), &made);
  if (waits) {
    made.r[2] = source(operand(next++), made.flag ? Type::U32 : Type::B64);
    if (next < now_->operands.size()) ++next;  // how long it may sleep: it does not
  } else if (counts && (!has_state || next < now_->operands.size())) {
    made.r[2] = source(operand(next++), Type::U32);
  } else if (has_state) {
    made.r[2] = constant(1, 4);
  }
  if (next != now_->operands.size()) throw Invalid("wrong number of operands");
  emit(Op::Mbarrier, Type::B64) = made;
}

}  // namespace sim::ptx
