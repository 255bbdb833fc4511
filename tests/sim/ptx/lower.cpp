// SPDX-License-Identifier: Apache-2.0
// Lowering: words, operands, constants, guards and the layout of a frame.
#include "tests/sim/ptx/lower.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace sim::ptx {
namespace {

// Where destinations nobody wants (_) and sources nobody reads point: the widest register.
constexpr size_t kScratch = 16 * kLanes;

}  // namespace

bool Lower::take(std::string_view word) {
  auto found = std::find(words_.begin(), words_.end(), word);
  if (found == words_.end()) return false;
  words_.erase(found);
  return true;
}

std::optional<Type> Lower::take_type() {
  for (auto word = words_.begin(); word != words_.end(); ++word) {
    Type type;
    if (!find_type(*word, &type)) continue;
    words_.erase(word);
    return type;
  }
  return std::nullopt;
}

Type Lower::type() {
  auto t = take_type();
  if (!t) throw Invalid("no type");
  return *t;
}

Round Lower::take_round(bool integer) {
  if (take("rn") || take("rni")) return integer ? Round::NearInt : Round::Near;
  if (take("rz") || take("rzi")) return integer ? Round::ZeroInt : Round::Zero;
  if (take("rm") || take("rmi")) return integer ? Round::DownInt : Round::Down;
  if (take("rp") || take("rpi")) return integer ? Round::UpInt : Round::Up;
  if (take("rna")) return Round::Away;
  return Round::Near;
}

Bool Lower::take_bool() {
  if (take("and")) return Bool::And;
  if (take("or")) return Bool::Or;
  if (take("xor")) return Bool::Xor;
  return Bool::None;
}

unsigned Lower::take_vector() {
  return take("v2") ? 2 : take("v4") ? 4 : take("v8") ? 8 : 1;
}

const Operand& Lower::operand(size_t index) const {
  if (index >= now_->operands.size()) throw Invalid("too few operands");
  return now_->operands[index];
}

uint32_t Lower::temporary(unsigned width) {
  slots_.push_back({width});
  return static_cast<uint32_t>(slots_.size() - 1);
}

uint32_t Lower::constant(uint64_t low, unsigned width, uint64_t high) {
  if (width && width < 8) low &= (uint64_t{1} << (width * 8)) - 1;
  auto [at, fresh] = constants_.try_emplace({low, high, width}, 0);
  if (fresh) {
    slots_.push_back({width, true, low, high});
    at->second = static_cast<uint32_t>(slots_.size() - 1);
  }
  return at->second;
}

uint64_t Lower::constant_bits(const Operand& o, Type type) const {
  if (o.kind == Operand::Kind::Integer) {
    if (type == Type::F64) return std::bit_cast<uint64_t>(static_cast<double>(o.value));
    if (type == Type::F32) return std::bit_cast<uint32_t>(static_cast<float>(o.value));
    return o.value;
  }
  if (bits(type) == 64)
    return o.single ? std::bit_cast<uint64_t>(
                          double{std::bit_cast<float>(static_cast<uint32_t>(o.value))})
                    : o.value;
  if (bits(type) == 32)
    return o.single ? o.value
                    : std::bit_cast<uint32_t>(static_cast<float>(std::bit_cast<double>(o.value)));
  throw Invalid("floating-point constant for this type");
}

// The constant value of a symbol; Local and Param symbols are offsets in the local area (or the
// kernel's parameter block) and need more than a constant.
std::optional<uint64_t> Lower::symbol_value(const Operand& o, Space* space) const {
  const auto add = static_cast<uint64_t>(o.offset);
  if (o.local >= 0) {
    const VariableText& v = text_.variables[static_cast<size_t>(o.local)];
    *space = v.space;
    if (v.space == Space::Shared) return env_.shared_at[static_cast<size_t>(o.local)] + add;
    return variable_at_[static_cast<size_t>(o.local)] + add;
  }
  auto symbol = env_.find(o.name);
  if (!symbol) return std::nullopt;
  switch (symbol->kind) {
    case Symbol::Kind::Variable:
      *space = Space::Global;
      return symbol->value + add;
    case Symbol::Kind::Shared:
      *space = Space::Shared;
      return symbol->value + add;
    case Symbol::Kind::Function:
      *space = Space::Global;
      return kCodeWindow + symbol->value * 16;
  }
  return std::nullopt;
}

uint32_t Lower::predicate(const Operand& o) {
  if (o.kind == Operand::Kind::Integer) return constant((o.value != 0) != o.negated ? ~0u : 0, 0);
  if (o.kind != Operand::Kind::Register || slots_[static_cast<size_t>(o.reg)].width != 0)
    throw Invalid("expected a predicate");
  auto slot = static_cast<uint32_t>(o.reg);
  if (!o.negated) return slot;
  uint32_t inverse = temporary(0);
  Inst& in = emit(Op::Not, Type::Pred);
  in.r[0] = inverse;
  in.r[1] = slot;
  return inverse;
}

uint32_t Lower::source_of(const Operand& o, Type type, unsigned width) {
  switch (o.kind) {
    case Operand::Kind::Register:
      return static_cast<uint32_t>(o.reg);
    case Operand::Kind::Integer:
    case Operand::Kind::Float: {
      uint64_t value = constant_bits(o, type);
      bool negative = o.kind == Operand::Kind::Integer && static_cast<int64_t>(value) < 0;
      return constant(value, width, negative ? ~uint64_t{0} : 0);
    }
    case Operand::Kind::Special: {
      Special special;
      if (!find_special(o.name, &special)) throw Refused("special register " + o.name);
      unsigned have = special_bits(special);
      uint32_t slot = temporary(width);
      if (have == 1 && width != 0) throw Invalid("predicate used as a number");
      Inst& in = emit(Op::Special, Type::B32);
      in.aux = static_cast<uint8_t>(special);
      in.width = static_cast<uint8_t>(width);
      in.imm = 0;
      in.r[0] = slot;
      return slot;
    }
    case Operand::Kind::Symbol: {
      Space space;
      auto value = symbol_value(o, &space);
      if (!value) throw Invalid("unknown name " + o.name);
      if (space == Space::Param && code_.entry) return constant(*value, width);
      if (space != Space::Local && space != Space::Param) return constant(*value, width);
      uint32_t slot = temporary(width);
      Inst& in = emit(Op::Special, Type::B64);
      in.aux = static_cast<uint8_t>(Special::LocalBase);
      in.width = static_cast<uint8_t>(width);
      in.imm = static_cast<int64_t>(*value);
      in.r[0] = slot;
      return slot;
    }
    case Operand::Kind::Sink:
      throw Invalid("_ used as a source");
    case Operand::Kind::Label:
    case Operand::Kind::Memory:
    case Operand::Kind::List:
      break;
  }
  throw Refused("operand form");
}

uint32_t Lower::source(const Operand& o, Type type) {
  if (type == Type::Pred) return predicate(o);
  const unsigned width = bytes(type);
  uint32_t slot = source_of(o, type, width);
  if (width_of(slot) != width) throw Invalid("source register has the wrong size");
  return slot;
}

uint32_t Lower::destination(const Operand& o, Type type) {
  if (o.kind == Operand::Kind::Sink) return kNoOperand;
  if (o.kind != Operand::Kind::Register) throw Invalid("destination is no register");
  const unsigned width = type == Type::Pred ? 0 : bytes(type);
  if (width_of(static_cast<uint32_t>(o.reg)) != width)
    throw Invalid("destination register has the wrong size");
  return static_cast<uint32_t>(o.reg);
}

// ld, st and cvt accept registers wider than their type.
uint32_t Lower::any_width(const Operand& o, Type type, unsigned* width, bool is_destination) {
  *width = bytes(type);
  if (o.kind == Operand::Kind::Sink && is_destination) return kNoOperand;
  if (o.kind != Operand::Kind::Register) {
    if (is_destination) throw Invalid("destination is no register");
    return source_of(o, type, *width);
  }
  auto slot = static_cast<uint32_t>(o.reg);
  if (width_of(slot) < *width) throw Invalid("register is too small");
  *width = width_of(slot);
  return slot;
}

Inst& Lower::emit(Op op, Type type) {
  Inst in;
  in.op = op;
  in.type = type;
  code_.insts.push_back(in);
  code_.lines.push_back(now_ ? now_->line : text_.line);
  code_.texts.push_back(now_ ? now_->text : std::string_view(text_.name));
  return code_.insts.back();
}

Inst& Lower::emit3(Op op, Type type, size_t sources) {
  std::array<uint32_t, kMaxOperands> r;
  r.fill(kNoOperand);
  r[0] = destination(operand(0), type);
  for (size_t i = 1; i <= sources; ++i) r[i] = source(operand(i), type);
  if (now_->operands.size() != sources + 1) throw Invalid("wrong number of operands");
  Inst& in = emit(op, type);
  in.r = r;
  return in;
}

int Lower::fresh_label() {
  labels_.push_back(0);
  return static_cast<int>(labels_.size() - 1);
}

void Lower::here(int label) {
  labels_[static_cast<size_t>(label)] = code_.insts.size();
}

void Lower::jump_over(int guard, bool negated, int label) {
  Inst& in = emit(Op::Bra, Type::Pred);
  in.flag = true;
  in.negated = !negated;  // the others jump
  in.imm = label;
  in.r[0] = static_cast<uint32_t>(guard);
}

void Lower::lower_one(const Statement& s) {
  words_.assign(s.opcode.begin() + 1, s.opcode.end());
  if (!s.error.empty()) throw Refused(s.error);
  auto rule = rules().find(s.opcode[0]);
  if (rule == rules().end()) throw Refused("unknown instruction");
  (this->*rule->second)();
  if (!words_.empty()) throw Refused("modifier ." + std::string(words_[0]));
}

void Lower::statement(const Statement& s) {
  if (s.label >= 0) return here(s.label);
  now_ = &s;
  int skip = -1;
  if (s.guard >= 0 && s.opcode[0] != "bra") {
    skip = fresh_label();
    jump_over(s.guard, s.guard_negated, skip);
  }
  const size_t body = code_.insts.size();
  try {
    lower_one(s);
    // A branch around is always right; a guard, where it can be, keeps the warp together.
    if (skip >= 0 && code_.insts.size() == body + 1) {
      const Inst& only = code_.insts[body];
      if (only.op < Op::Nop || only.op == Op::CallBuiltin) {
        Inst& in = code_.insts[body - 1];
        in.op = Op::Guard;
        in.negated = s.guard_negated;
        in.flag = false;
      }
    }
  } catch (const Refused& refused) {
    code_.insts.resize(body);
    code_.lines.resize(body);
    code_.texts.resize(body);
    emit(Op::Unsupported, Type::B32);
    if (code_.refused.empty())
      code_.refused = fmt::format("{}: line {}: not supported: {} ({})", text_.name, s.line, s.text,
                                  refused.what());
  }
  if (skip >= 0) here(skip);
}

// Registers first, then predicates, then the constants, which are copied into each new frame.
void Lower::layout() {
  uint32_t at = kScratch;
  auto place = [&](bool constants) {
    for (bool predicates : {false, true}) {
      for (Slot& slot : slots_) {
        if (slot.constant != constants || (slot.width == 0) != predicates) continue;
        const uint32_t size = slot.width ? slot.width * kLanes : 4;
        const uint32_t align = slot.width ? std::min(size, 64u) : 4;
        at = (at + align - 1) & ~(align - 1);
        slot.offset = at;
        at += size;
      }
    }
  };
  place(false);
  at = (at + 63) & ~63u;
  code_.constants_at = at;
  place(true);
  code_.frame_bytes = (at + 63) & ~63u;
  code_.constants.resize(at - code_.constants_at);
  for (const Slot& slot : slots_) {
    if (!slot.constant) continue;
    std::byte* to = code_.constants.data() + (slot.offset - code_.constants_at);
    if (slot.width == 0) std::memcpy(to, &slot.low, 4);
    const uint64_t both[2] = {slot.low, slot.high};
    for (size_t lane = 0; slot.width && lane < kLanes; ++lane)
      std::memcpy(to + lane * slot.width, both, slot.width);
  }
  for (Inst& in : code_.insts) {
    for (uint32_t& r : in.r) r = r == kNoOperand ? 0 : slots_[r].offset;
  }
}

void Lower::run() {
  code_.name = text_.name;
  code_.entry = text_.entry;
  for (const RegisterText& r : text_.registers)
    slots_.push_back({r.type == Type::Pred ? 0 : bytes(r.type)});
  labels_.resize(static_cast<size_t>(text_.labels));

  // .local and a function's .param variables share the thread's local memory: so a parameter can
  // have an address. A kernel's own parameters lie in the launch's parameter block.
  const size_t formals = text_.signature.returns.size() + text_.signature.params.size();
  uint32_t local = 0, block = 0;
  for (size_t i = 0; i < text_.variables.size(); ++i) {
    const VariableText& v = text_.variables[i];
    uint32_t& area = text_.entry && i < formals ? block : local;
    if (v.space == Space::Local || v.space == Space::Param) {
      const auto align = static_cast<uint32_t>(v.align);
      area = (area + align - 1) & ~(align - 1);
      variable_at_.push_back(area);
      area += static_cast<uint32_t>(v.size());
    } else {
      variable_at_.push_back(0);
    }
    if (i >= formals) continue;
    const bool result = i < text_.signature.returns.size();
    (result ? code_.return_at : code_.param_at).push_back(variable_at_[i]);
    (result ? code_.return_size : code_.param_size).push_back(static_cast<uint32_t>(v.size()));
  }
  code_.local_bytes = (local + 15) & ~15u;

  for (const Statement& s : text_.body) {
    try {
      statement(s);
    } catch (const Invalid& invalid) {
      throw Invalid(
          fmt::format("line {}: {}: {} (in {})", s.line, s.text, invalid.what(), text_.name));
    }
  }
  now_ = nullptr;
  emit(Op::Ret, Type::B32);
  layout();
}

bool lower(const FunctionText& text, const Environment& environment, Code* code,
           std::string* message) {
  try {
    Lower lower(text, environment, code);
    lower.run();
    connect(code, lower.labels_);
  } catch (const Invalid& invalid) {
    *message = invalid.what();
    return false;
  }
  for (Inst& in : code->insts) {
    in.fn = select_handler(in);
    if (in.fn) continue;
    const auto index = static_cast<size_t>(&in - code->insts.data());
    if (code->refused.empty())
      code->refused = fmt::format("{}: line {}: not supported: {}", text.name, code->lines[index],
                                  code->texts[index]);
    in.op = Op::Unsupported;
    in.fn = select_handler(in);
  }
  return true;
}

}  // namespace sim::ptx
