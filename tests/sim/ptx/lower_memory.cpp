// SPDX-License-Identifier: Apache-2.0
// Lowering of loads, stores, atomics and address arithmetic.
#include "tests/sim/ptx/lower.h"

namespace sim::ptx {

// Cache hints and scopes change nothing here; the kinds of order are one, the strongest.
void Lower::take_memory_order(bool* fence_needed) {
  for (std::string_view word : {"weak", "volatile", "relaxed", "cta", "cluster", "gpu", "sys", "ca",
                                "cg", "cs", "cv", "lu", "wb", "wt", "nc", "uni"})
    take(word);
  for (std::string_view word :
       {"volatile", "relaxed", "mmio", "acquire", "release", "acq_rel", "seq_cst"})
    *fence_needed |= take(word);
  for (auto word = words_.begin(); word != words_.end();) {
    const bool hint = word->starts_with("L1::") || word->starts_with("L2::");
    if (*word == "L2::cache_hint") throw Refused("modifier .L2::cache_hint");
    word = hint ? words_.erase(word) : word + 1;
  }
}

Space Lower::take_space() {
  if (take("global")) return Space::Global;
  if (take("shared") || take("shared::cta") || take("shared::cluster")) return Space::Shared;
  if (take("local")) return Space::Local;
  if (take("const")) return Space::Const;
  if (take("param") || take("param::entry") || take("param::func")) return Space::Param;
  return Space::Generic;
}

// The address register of a memory operand. Symbols become constants; those of the local area and
// of the parameter block are marked by in->flag.
uint32_t Lower::address(const Operand& o, Inst* in) {
  if (o.kind != Operand::Kind::Memory) throw Invalid("expected an address in brackets");
  in->imm = o.offset;
  if (o.reg >= 0) {
    const auto slot = static_cast<uint32_t>(o.reg);
    const unsigned width = width_of(slot);
    if (width != 4 && width != 8) throw Invalid("address register has the wrong size");
    in->width2 = static_cast<uint8_t>(width);
    if (in->space == Space::Param && !code_.entry) in->space = Space::Local;
    return slot;
  }
  in->width2 = 8;
  if (o.name.empty()) return constant(0, 8);
  Space space;
  auto value = symbol_value(o, &space);
  if (!value) throw Invalid("unknown name " + o.name);
  in->imm = static_cast<int64_t>(*value);
  if (space == Space::Param && code_.entry) {
    const auto formals = text_.signature.params.size();
    if (static_cast<size_t>(o.local) < formals) {
      in->space = Space::Param;
      in->flag = true;
      return constant(0, 8);
    }
  }
  if (space == Space::Local || space == Space::Param) {
    in->space = Space::Local;
    in->flag = true;
  } else if (in->space == Space::Generic || space == Space::Shared) {
    in->space = space;
  }
  return constant(0, 8);
}

void Lower::ld() {
  Inst a;
  take_memory_order(&a.flag2);
  a.space = take_space();
  a.op = Op::Ld;
  a.vec = static_cast<uint8_t>(take_vector());
  a.type = type();
  const Operand& d = operand(0);
  unsigned width = 0;
  if (a.vec == 1) {
    a.r[0] = any_width(d, a.type, &width, true);
  } else {
    if (d.kind != Operand::Kind::List || d.list.size() != a.vec) throw Invalid("bad vector");
    for (unsigned k = 0; k < a.vec; ++k) {
      unsigned w;
      a.r[k] = any_width(d.list[k], a.type, &w, true);
      if (d.list[k].kind == Operand::Kind::Sink) continue;
      if (width && w != width) throw Invalid("vector of different registers");
      width = w;
    }
    if (!width) width = bytes(a.type);
  }
  a.width = static_cast<uint8_t>(width);
  a.r[a.vec] = address(operand(1), &a);
  const Inst done = a;
  emit(Op::Ld, a.type) = done;
}

void Lower::st() {
  Inst a;
  take_memory_order(&a.flag2);
  a.space = take_space();
  a.op = Op::St;
  a.vec = static_cast<uint8_t>(take_vector());
  a.type = type();
  const Operand& s = operand(1);
  unsigned width = 0;
  if (a.vec == 1) {
    a.r[1] = any_width(s, a.type, &width, false);
  } else {
    if (s.kind != Operand::Kind::List || s.list.size() != a.vec) throw Invalid("bad vector");
    for (const Operand& o : s.list) {  // constants take the width of the registers beside them
      if (o.kind == Operand::Kind::Register) width = width_of(static_cast<uint32_t>(o.reg));
    }
    if (!width) width = bytes(a.type);
    if (width < bytes(a.type)) throw Invalid("register is too small");
    for (unsigned k = 0; k < a.vec; ++k) {
      a.r[1 + k] = source_of(s.list[k], a.type, width);
      if (width_of(a.r[1 + k]) != width) throw Invalid("vector of different registers");
    }
  }
  a.width = static_cast<uint8_t>(width);
  a.r[0] = address(operand(0), &a);
  const Inst done = a;
  emit(Op::St, a.type) = done;
}

AtomOp Lower::take_atom_op() {
  static constexpr std::pair<std::string_view, AtomOp> kOps[] = {
      {"and", AtomOp::And},   {"or", AtomOp::Or},   {"xor", AtomOp::Xor}, {"cas", AtomOp::Cas},
      {"exch", AtomOp::Exch}, {"add", AtomOp::Add}, {"inc", AtomOp::Inc}, {"dec", AtomOp::Dec},
      {"min", AtomOp::Min},   {"max", AtomOp::Max}};
  for (const auto& [word, op] : kOps) {
    if (take(word)) return op;
  }
  throw Refused("atomic operation");
}

// atom and red. Every atomic is sequentially consistent here, so orders need no more.
void Lower::atom() {
  const bool red = now_->opcode[0] == "red";
  Inst a;
  bool ordered = false;
  take_memory_order(&ordered);
  a.space = take_space();
  a.op = Op::Atom;
  const AtomOp op = take_atom_op();
  a.aux = static_cast<uint8_t>(op);
  take("noftz");
  a.vec = static_cast<uint8_t>(take_vector());
  a.type = type();
  const size_t first = red ? 0 : 1;
  const unsigned n = a.vec;
  auto element = [&](const Operand& o, unsigned k) -> const Operand& {
    if (n == 1) return o;
    if (o.kind != Operand::Kind::List || o.list.size() != n) throw Invalid("bad vector");
    return o.list[k];
  };
  const bool sink = red || operand(0).kind == Operand::Kind::Sink;
  if (2 * n + 1 > kMaxOperands) throw Refused("vector atomic of this length");
  for (unsigned k = 0; k < n; ++k) {
    a.r[k] = sink ? kNoOperand : destination(element(operand(0), k), a.type);
    a.r[n + 1 + k] = source(element(operand(first + 1), k), a.type);
  }
  if (op == AtomOp::Cas) a.r[3] = source(operand(first + 2), a.type);
  a.r[n] = address(operand(first), &a);
  const Inst done = a;
  emit(Op::Atom, a.type) = done;
}

// membar, fence, fence.proxy: all the strongest.
void Lower::fence() {
  words_.clear();
  emit(Op::Fence, Type::B32);
}

void Lower::cvta() {
  const bool to = take("to");
  const Space space = take_space();
  const Type t = type();
  const uint32_t d = destination(operand(0), t), a = source(operand(1), t);
  Inst& in = emit(to ? Op::CvtaTo : Op::CvtaFrom, t);
  in.space = space == Space::Param && !code_.entry ? Space::Local : space;
  in.width = static_cast<uint8_t>(bytes(t));
  in.r[0] = d;
  in.r[1] = a;
}

void Lower::isspacep() {
  const Space space = take_space();
  const uint32_t p = destination(operand(0), Type::Pred), a = source(operand(1), Type::B64);
  Inst& in = emit(Op::Isspacep, Type::B64);
  in.space = space;
  in.r[0] = p;
  in.r[1] = a;
}

// prefetch, prefetchu, discard of cache lines, createpolicy users: nothing to do.
void Lower::prefetch() {
  words_.clear();
  emit(Op::Nop, Type::B32);
}

// cp.async and its groups. The copy is done at once, so that waiting for it is nothing.
void Lower::cp_async() {
  if (!take("async")) throw Refused("unknown instruction");
  if (take("bulk")) return cp_bulk();
  if (take("commit_group") || take("wait_group") || take("wait_all")) {
    emit(Op::Nop, Type::B32);
    return;
  }
  bool order = false;
  take_memory_order(&order);
  if (!take("shared") && !take("shared::cta")) throw Refused("form of cp.async");
  if (!take("global")) throw Refused("form of cp.async");
  if (!words_.empty()) return;  // .mbarrier, .ignore-src: refused by what is left
  if (operand(2).kind != Operand::Kind::Integer) throw Invalid("size is no constant");
  const auto size = operand(2).value;
  if (size != 4 && size != 8 && size != 16) throw Invalid("size must be 4, 8 or 16");
  Inst a, b;
  a.space = Space::Shared;
  b.space = Space::Global;
  const uint32_t to = address(operand(0), &a);
  uint32_t from = address(operand(1), &b);
  if (b.imm) {
    const Type t = b.width2 == 8 ? Type::U64 : Type::U32;
    const uint32_t sum = temporary(b.width2);
    const uint32_t add = constant(static_cast<uint64_t>(b.imm), b.width2);
    Inst& in = emit(Op::Add, t);
    in.r[0] = sum;
    in.r[1] = from;
    in.r[2] = add;
    from = sum;
  }
  if (b.width2 != 8) throw Invalid("global address is not 64 bits");
  const bool partial = now_->operands.size() > 3;
  const uint32_t take_bytes = partial ? source(operand(3), Type::U32) : kNoOperand;
  Inst& in = emit(Op::CpAsync, Type::B32);
  in.imm = a.imm;
  in.width = a.width2;
  in.width2 = 8;
  in.vec = static_cast<uint8_t>(size);
  in.flag2 = partial;
  in.r[0] = to;
  in.r[1] = from;
  in.r[2] = take_bytes;
}

// r: the data, the handle, the coordinates. Only what objects need: `[handle, {x, y}]`.
void Lower::texture_operands(const Operand& data, const Operand& place, Inst in) {
  if (place.kind != Operand::Kind::Memory || place.reg < 0 || place.list.size() < in.width2) {
    throw Refused("form of texture access");
  }
  const std::vector<Operand> parts =
      data.kind == Operand::Kind::List ? data.list : std::vector<Operand>{data};
  if (parts.size() != in.vec) throw Invalid("wrong number of elements");
  Operand handle;
  handle.kind = Operand::Kind::Register;
  handle.reg = place.reg;
  const bool store = in.aux == 2;
  size_t n = 0;
  for (const Operand& part : parts) {
    in.r[n++] = store ? source(part, in.type) : destination(part, in.type);
  }
  in.r[n++] = source(handle, Type::U64);
  for (size_t i = 0; i < in.width2; i++) in.r[n++] = source(place.list[i], in.from);
  Inst& out = emit(Op::Texture, in.type);
  const auto handler = out.fn;
  out = in;
  out.fn = handler;
  out.op = Op::Texture;
}

// tex.1d and tex.2d. aux 0; from: type of the coordinates; width2: how many.
void Lower::texture() {
  Inst in;
  in.width2 = take("1d") ? 1 : take("2d") ? 2 : 0;
  if (!in.width2) throw Refused("geometry of tex");
  in.vec = static_cast<uint8_t>(take_vector());
  in.type = type();
  in.from = type();
  if (in.vec != 4 || bytes(in.type) != 4 || bytes(in.from) != 4) throw Refused("types of tex");
  texture_operands(operand(0), operand(1), in);
}

// suld.b and sust.b. aux 1, 2; width: bytes of an element; flag: out of range is no fault; flag2:
// it is the nearest texel then, else nothing.
void Lower::surface_load() {
  surface(false);
}
void Lower::surface_store() {
  surface(true);
}
void Lower::surface(bool store) {
  Inst in;
  if (!take("b")) throw Refused("formatted surface access");
  in.width2 = take("1d") ? 1 : take("2d") ? 2 : 0;
  if (!in.width2) throw Refused("geometry of a surface");
  bool order = false;
  take_memory_order(&order);
  in.vec = static_cast<uint8_t>(take_vector());
  const Type element = type();
  in.width = static_cast<uint8_t>(bytes(element));
  in.type = in.width == 1 ? Type::B16 : element;
  in.from = Type::S32;
  in.aux = store ? 2 : 1;
  in.flag2 = take("clamp");
  in.flag = in.flag2 || take("zero");
  take("trap");
  texture_operands(operand(store ? 1 : 0), operand(store ? 0 : 1), in);
}

// In a cluster of one block every shared address is already that of the only rank.
void Lower::mapa() {
  take_space();
  const Type t = type();
  const uint32_t d = destination(operand(0), t), a = source(operand(1), t);
  Inst& in = emit(Op::Mov, bytes(t) == 8 ? Type::B64 : Type::B32);
  in.r[0] = d;
  in.r[1] = a;
}

}  // namespace sim::ptx
