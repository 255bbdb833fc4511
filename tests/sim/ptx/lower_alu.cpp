// SPDX-License-Identifier: Apache-2.0
// Lowering of arithmetic, logic, comparison and conversion.
#include <utility>

#include "tests/sim/ptx/lower.h"

namespace sim::ptx {
namespace {

bool is_real(Type type) {
  const Class c = info(type).cls;
  return c == Class::Float || type == Type::F16x2 || type == Type::BF16x2;
}

Type wider(Type type) {
  switch (type) {
    case Type::U16:
      return Type::U32;
    case Type::S16:
      return Type::S32;
    case Type::U32:
      return Type::U64;
    case Type::S32:
      return Type::S64;
    default:
      throw Invalid("no wider type");
  }
}

// One word per operation, for the rules that serve several.
template <size_t N>
Op op_of(std::string_view word, const std::pair<std::string_view, Op> (&table)[N]) {
  for (const auto& [text, op] : table) {
    if (text == word) return op;
  }
  throw Refused("unknown instruction");
}

}  // namespace

void Lower::mov() {
  const Type t = type();
  const Operand &d = operand(0), &s = operand(1);
  const unsigned width = bytes(t);
  if (s.kind == Operand::Kind::List || d.kind == Operand::Kind::List) {
    const bool unpack = d.kind == Operand::Kind::List;
    const auto& list = unpack ? d.list : s.list;
    if (list.empty() || width % list.size() || list.size() > 8) throw Invalid("bad list");
    const auto n = static_cast<unsigned>(list.size());
    std::array<uint32_t, kMaxOperands> r;
    r.fill(kNoOperand);
    const Type element = width / n == 1   ? Type::B8
                         : width / n == 2 ? Type::B16
                         : width / n == 4 ? Type::B32
                                          : Type::B64;
    if (unpack) {
      for (unsigned k = 0; k < n; ++k) r[k] = destination(list[k], element);
      r[n] = source(s, t);
    } else {
      r[0] = destination(d, t);
      for (unsigned k = 0; k < n; ++k) r[k + 1] = source(list[k], element);
    }
    Inst& in = emit(unpack ? Op::Unpack : Op::Pack, t);
    in.r = r;
    in.vec = static_cast<uint8_t>(n);
    in.width = static_cast<uint8_t>(width / n);
    return;
  }
  const uint32_t to = destination(d, t);
  const uint32_t from = source(s, t);
  Inst& in = emit(Op::Mov, is_real(t) ? (width == 8   ? Type::B64
                                         : width == 4 ? Type::B32
                                                      : Type::B16)
                                      : t);
  in.r[0] = to;
  in.r[1] = from;
}

// add, sub, div, rem, min, max, abs, neg, sad
void Lower::arithmetic() {
  static constexpr std::pair<std::string_view, Op> kOps[] = {
      {"add", Op::Add}, {"sub", Op::Sub}, {"div", Op::Div}, {"rem", Op::Rem}, {"min", Op::Min},
      {"max", Op::Max}, {"abs", Op::Abs}, {"neg", Op::Neg}, {"sad", Op::Sad}};
  const std::string_view name = now_->opcode[0];
  const Op op = op_of(name, kOps);
  if ((op == Op::Add || op == Op::Sub) && take("cc")) {
    words_.push_back("cc");
    return carry();
  }
  const Type t = type();
  const bool real = is_real(t);
  const Round round = real ? take_round(false) : Round::Near;
  if (op == Op::Div && real) take("full") || take("approx");
  const bool ftz = real && take("ftz");
  const bool sat = take("sat");
  bool flag = false, nan = false;
  if (op == Op::Min || op == Op::Max) {
    nan = take("NaN");
    if (take("xorsign")) flag = take("abs");
    if (!real) flag = take("relu");
  }
  Inst& in = emit3(op, t, op == Op::Abs || op == Op::Neg ? 1 : op == Op::Sad ? 3 : 2);
  in.round = round;
  in.ftz = ftz;
  in.sat = sat;
  in.nan = nan;
  in.flag = flag;
}

// mul, mad, mul24, mad24; mad of floats is fma.
void Lower::multiply() {
  const std::string_view name = now_->opcode[0];
  const bool mad = name.substr(0, 3) == "mad";
  if (mad && take("cc")) {
    words_.push_back("cc");
    return carry();
  }
  const Type t = type();
  if (is_real(t)) {
    if (mad) {
      words_.push_back(info(t).text);
      return fma();
    }
    const Round round = take_round(false);
    const bool ftz = take("ftz"), sat = take("sat");
    Inst& in = emit3(Op::MulLo, t, 2);
    in.round = round;
    in.ftz = ftz;
    in.sat = sat;
    return;
  }
  const bool sat = take("sat");
  if (name == "mul24" || name == "mad24") {
    const bool high = take("hi");
    if (!high) take("lo");
    Inst& in = emit3(mad ? Op::Mad24 : Op::Mul24, t, mad ? 3 : 2);
    in.flag = high;
    in.sat = sat;
    return;
  }
  if (take("wide")) {
    const Type w = wider(t);
    const uint32_t d = destination(operand(0), w), a = source(operand(1), t),
                   b = source(operand(2), t), c = mad ? source(operand(3), w) : kNoOperand;
    Inst& in = emit(mad ? Op::MadWide : Op::MulWide, t);
    in.r[0] = d;
    in.r[1] = a;
    in.r[2] = b;
    in.r[3] = c;
    return;
  }
  const bool high = take("hi");
  if (!high) take("lo");
  const Op op = mad ? (high ? Op::MadHi : Op::MadLo) : (high ? Op::MulHi : Op::MulLo);
  emit3(op, t, mad ? 3 : 2).sat = sat;
}

// add.cc, addc, sub.cc, subc, mad.cc, madc: the CC register is a predicate of its own.
void Lower::carry() {
  const std::string_view name = now_->opcode[0];
  const bool mad = name.substr(0, 3) == "mad";
  const bool in_carry = name.back() == 'c';
  const bool out_carry = take("cc");
  const Type t = type();
  const bool high = mad && take("hi");
  if (mad && !high) take("lo");
  if (carry_ == kNoOperand) carry_ = temporary(0);
  const uint32_t d = destination(operand(0), t), a = source(operand(1), t),
                 b = source(operand(2), t), c = mad ? source(operand(3), t) : kNoOperand;
  Inst& in = emit(mad ? Op::MadCarry : name.substr(0, 3) == "add" ? Op::AddCarry : Op::SubCarry, t);
  in.flag = in_carry;
  in.flag2 = out_carry;
  in.aux = high;
  in.r[0] = d;
  in.r[1] = carry_;
  in.r[2] = a;
  in.r[3] = b;
  in.r[4] = mad ? c : carry_;
  in.r[5] = carry_;
}

void Lower::logic() {
  static constexpr std::pair<std::string_view, Op> kOps[] = {
      {"and", Op::And}, {"or", Op::Or}, {"xor", Op::Xor}, {"not", Op::Not}, {"cnot", Op::CNot}};
  const Op op = op_of(now_->opcode[0], kOps);
  emit3(op, type(), op == Op::Not || op == Op::CNot ? 1 : 2);
}

void Lower::shift() {
  const Type t = type();
  const uint32_t d = destination(operand(0), t), a = source(operand(1), t),
                 n = source(operand(2), Type::U32);
  Inst& in = emit(now_->opcode[0] == "shl" ? Op::Shl : Op::Shr, t);
  in.r[0] = d;
  in.r[1] = a;
  in.r[2] = n;
}

void Lower::counts() {
  static constexpr std::pair<std::string_view, Op> kOps[] = {
      {"popc", Op::Popc}, {"clz", Op::Clz}, {"bfind", Op::Bfind}, {"brev", Op::Brev}};
  const Op op = op_of(now_->opcode[0], kOps);
  const bool shift = op == Op::Bfind && take("shiftamt");
  const Type t = type();
  const uint32_t d = destination(operand(0), op == Op::Brev ? t : Type::U32),
                 a = source(operand(1), t);
  Inst& in = emit(op, t);
  in.flag = shift;
  in.r[0] = d;
  in.r[1] = a;
}

// bfe, bfi, fns, bmsk, szext
void Lower::bitfield() {
  static constexpr std::pair<std::string_view, Op> kOps[] = {{"bfe", Op::Bfe},
                                                             {"bfi", Op::Bfi},
                                                             {"fns", Op::Fns},
                                                             {"bmsk", Op::Bmsk},
                                                             {"szext", Op::Szext}};
  const Op op = op_of(now_->opcode[0], kOps);
  bool wrap = false;
  if (op == Op::Bmsk || op == Op::Szext) {
    wrap = take("wrap");
    if (!wrap) take("clamp");
  }
  const Type t = type();
  const size_t wide = op == Op::Bfi ? 3 : op == Op::Fns ? 4 : 2;  // operands of type t, d included
  std::array<uint32_t, kMaxOperands> r;
  r.fill(kNoOperand);
  r[0] = destination(operand(0), t);
  for (size_t i = 1; i < now_->operands.size() && i < 5; ++i)
    r[i] = source(operand(i), i < wide ? t : Type::U32);
  Inst& in = emit(op, t);
  in.flag = wrap;
  in.r = r;
}

void Lower::lop3() {
  const Bool combine = take_bool();
  const Type t = type();
  const Operand& first = operand(0);
  const bool pair = combine != Bool::None;
  if (pair && (first.kind != Operand::Kind::List || first.list.size() != 2))
    throw Invalid("expected d|p");
  const uint32_t d = destination(pair ? first.list[0] : first, t);
  const uint32_t p = pair ? destination(pair ? first.list[1] : first, Type::Pred) : kNoOperand;
  const uint32_t a = source(operand(1), t), b = source(operand(2), t), c = source(operand(3), t);
  if (operand(4).kind != Operand::Kind::Integer) throw Invalid("lop3 table is no constant");
  const uint32_t q = pair ? predicate(operand(5)) : kNoOperand;
  const auto table = static_cast<uint8_t>(operand(4).value);
  Inst& in = emit(Op::Lop3, t);
  in.aux = table;
  in.combine = combine;
  in.r[0] = d;
  in.r[1] = p;
  in.r[2] = a;
  in.r[3] = b;
  in.r[4] = c;
  in.r[5] = q;
}

void Lower::prmt() {
  static constexpr std::string_view kModes[] = {"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
  uint8_t mode = 0;
  for (size_t i = 0; i < std::size(kModes); ++i) {
    if (take(kModes[i])) mode = static_cast<uint8_t>(i + 1);
  }
  emit3(Op::Prmt, type(), 3).aux = mode;
}

void Lower::shf() {
  const bool right = take("r");
  if (!right && !take("l")) throw Invalid("shf needs .l or .r");
  const bool wrap = take("wrap");
  if (!wrap) take("clamp");
  Inst& in = emit3(Op::Shf, type(), 3);
  in.flag = wrap;
  in.flag2 = right;
}

void Lower::dot() {
  const bool four = now_->opcode[0] == "dp4a";
  const bool high = !four && take("hi");
  if (!four && !high) take("lo");
  const Type a = type(), b = type();
  const uint32_t d = destination(operand(0), Type::B32), x = source(operand(1), a),
                 y = source(operand(2), b), z = source(operand(3), Type::B32);
  Inst& in = emit(four ? Op::Dp4a : Op::Dp2a, a);
  in.from = b;
  in.flag = high;
  in.r[0] = d;
  in.r[1] = x;
  in.r[2] = y;
  in.r[3] = z;
}

void Lower::fma() {
  const Type t = type();
  const Round round = take_round(false);
  const bool ftz = take("ftz"), sat = take("sat"), relu = take("relu");
  Inst& in = emit3(Op::Fma, t, 3);
  in.round = round;
  in.ftz = ftz;
  in.sat = sat;
  in.flag = relu;
}

void Lower::real_unary() {
  static constexpr std::pair<std::string_view, Op> kOps[] = {
      {"rcp", Op::Rcp}, {"sqrt", Op::Sqrt}, {"rsqrt", Op::Rsqrt}, {"ex2", Op::Ex2},
      {"lg2", Op::Lg2}, {"sin", Op::Sin},   {"cos", Op::Cos},     {"tanh", Op::Tanh}};
  const Op op = op_of(now_->opcode[0], kOps);
  take("approx");
  const Round round = take_round(false);
  const bool ftz = take("ftz");
  Inst& in = emit3(op, type(), 1);
  in.round = round;
  in.ftz = ftz;
}

void Lower::copysign() {
  emit3(Op::Copysign, type(), 2);
}

void Lower::testp() {
  static constexpr std::string_view kTests[] = {"finite",     "infinite", "number",
                                                "notanumber", "normal",   "subnormal"};
  uint8_t mode = 0;
  for (size_t i = 0; i < std::size(kTests); ++i) {
    if (take(kTests[i])) mode = static_cast<uint8_t>(i);
  }
  const Type t = type();
  const uint32_t p = destination(operand(0), Type::Pred), a = source(operand(1), t);
  Inst& in = emit(Op::Testp, t);
  in.aux = mode;
  in.r[0] = p;
  in.r[1] = a;
}

std::optional<Compare> Lower::take_compare() {
  static constexpr std::pair<std::string_view, Compare> kTests[] = {
      {"eq", Compare::Eq},   {"ne", Compare::Ne},   {"lt", Compare::Lt},   {"le", Compare::Le},
      {"gt", Compare::Gt},   {"ge", Compare::Ge},   {"lo", Compare::Lt},   {"ls", Compare::Le},
      {"hi", Compare::Gt},   {"hs", Compare::Ge},   {"equ", Compare::Equ}, {"neu", Compare::Neu},
      {"ltu", Compare::Ltu}, {"leu", Compare::Leu}, {"gtu", Compare::Gtu}, {"geu", Compare::Geu},
      {"num", Compare::Num}, {"nan", Compare::Nan}};
  for (const auto& [word, test] : kTests) {
    if (take(word)) return test;
  }
  return std::nullopt;
}

void Lower::setp() {
  const auto test = take_compare();
  if (!test) throw Invalid("no comparison");
  const Bool combine = take_bool();
  const bool ftz = take("ftz");
  const Type t = type();
  const Operand& first = operand(0);
  const bool pair = first.kind == Operand::Kind::List;
  if (pair && first.list.size() != 2) throw Invalid("expected p|q");
  const uint32_t p = destination(pair ? first.list[0] : first, Type::Pred);
  const uint32_t q = pair ? destination(first.list[1], Type::Pred) : kNoOperand;
  const uint32_t a = source(operand(1), t), b = source(operand(2), t);
  const uint32_t c = combine == Bool::None ? kNoOperand : predicate(operand(3));
  Inst& in = emit(Op::Setp, t);
  in.compare = *test;
  in.combine = combine;
  in.ftz = ftz;
  in.flag = pair;
  in.r[0] = p;
  in.r[1] = q;
  in.r[2] = a;
  in.r[3] = b;
  in.r[4] = c;
}

void Lower::set() {
  const auto test = take_compare();
  if (!test) throw Invalid("no comparison");
  const Bool combine = take_bool();
  const bool ftz = take("ftz");
  const Type to = type(), t = type();
  const uint32_t d = destination(operand(0), to);
  const uint32_t a = source(operand(1), t), b = source(operand(2), t);
  const uint32_t c = combine == Bool::None ? kNoOperand : predicate(operand(3));
  Inst& in = emit(Op::Set, t);
  in.compare = *test;
  in.combine = combine;
  in.ftz = ftz;
  in.flag = is_real(to);
  in.width = static_cast<uint8_t>(bytes(to));
  in.imm = to == Type::F32                          ? 0x3f800000
           : to == Type::F16 || to == Type::F16x2   ? 0x3c00
           : to == Type::BF16 || to == Type::BF16x2 ? 0x3f80
                                                    : 0;
  in.r[0] = d;
  in.r[2] = a;
  in.r[3] = b;
  in.r[4] = c;
}

void Lower::selp() {
  const Type t = type();
  const uint32_t d = destination(operand(0), t), a = source(operand(1), t),
                 b = source(operand(2), t), p = predicate(operand(3));
  Inst& in = emit(Op::Selp, t);
  in.r[0] = d;
  in.r[1] = a;
  in.r[2] = b;
  in.r[3] = p;
}

void Lower::slct() {
  const bool ftz = take("ftz");
  const Type t = type(), by = type();
  const uint32_t d = destination(operand(0), t), a = source(operand(1), t),
                 b = source(operand(2), t), c = source(operand(3), by);
  Inst& in = emit(Op::Slct, t);
  in.from = by;
  in.ftz = ftz;
  in.r[0] = d;
  in.r[1] = a;
  in.r[2] = b;
  in.r[3] = c;
}

void Lower::cvt() {
  bool integral = false;
  for (std::string_view word : {"rni", "rzi", "rmi", "rpi"}) {
    for (std::string_view have : words_) integral |= have == word;
  }
  const Round round = take_round(integral);
  const bool ftz = take("ftz"), sat = take("sat"), relu = take("relu"), finite = take("satfinite");
  const Type to = type(), from = type();
  const bool pair = from == Type::F32 && now_->operands.size() == 3;
  Inst in;
  if (pair) {
    const uint32_t d = destination(operand(0), to), a = source(operand(1), from),
                   b = source(operand(2), from);
    in = emit(Op::CvtPair, to);
    in.r[0] = d;
    in.r[1] = a;
    in.r[2] = b;
  } else {
    unsigned to_width, from_width;
    const uint32_t d = any_width(operand(0), to, &to_width, true);
    const uint32_t a = any_width(operand(1), from, &from_width, false);
    in = emit(Op::Cvt, to);
    in.width = static_cast<uint8_t>(to_width);
    in.width2 = static_cast<uint8_t>(from_width);
    in.r[0] = d;
    in.r[1] = a;
  }
  in.from = from;
  in.round = round;
  in.ftz = ftz;
  in.sat = sat;
  in.flag = relu;
  in.flag2 = finite;
  code_.insts.back() = in;
}

}  // namespace sim::ptx
