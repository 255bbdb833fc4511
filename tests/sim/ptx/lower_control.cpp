// SPDX-License-Identifier: Apache-2.0
// Lowering of branches, calls, barriers and what the lanes of a warp do together; the rule table.
#include "tests/sim/ptx/builtin.h"
#include "tests/sim/ptx/lower.h"

namespace sim::ptx {

void Lower::bra() {
  take("uni");
  const Operand& target = operand(0);
  Inst& in = emit(Op::Bra, Type::Pred);
  in.imm = static_cast<int64_t>(target.value);
  if (now_->guard >= 0) {
    in.flag = true;
    in.negated = now_->guard_negated;
    in.r[0] = static_cast<uint32_t>(now_->guard);
  }
}

void Lower::brx() {
  take("idx");
  take("uni");
  const uint32_t index = source(operand(0), Type::U32);
  const Operand& list = operand(1);
  if (list.kind != Operand::Kind::Symbol || list.value >= text_.targets.size())
    throw Invalid("no branch targets");
  if (code_.tables.size() >= 255) throw Refused("more than 255 branch tables");
  Inst& in = emit(Op::Brx, Type::U32);
  in.r[0] = index;
  in.aux = static_cast<uint8_t>(code_.tables.size());
  in.imm = static_cast<int64_t>(list.value);
  code_.tables.emplace_back();  // filled by connect() from the labels
  for (int label : text_.targets[list.value])
    code_.tables.back().targets.push_back(
        reinterpret_cast<const Inst*>(static_cast<uintptr_t>(label)));
}

void Lower::call() {
  take("uni");
  const auto& operands = now_->operands;
  size_t at = 0;
  CallSite site;
  auto area = [&](const Operand& list, std::vector<Copy>* out) {
    for (const Operand& o : list.list) {
      if (o.kind == Operand::Kind::Sink) continue;
      if (o.kind != Operand::Kind::Symbol || o.local < 0)
        throw Refused("call with register operands");
      const VariableText& v = text_.variables[static_cast<size_t>(o.local)];
      if (v.space != Space::Param) throw Invalid(v.name + " is no parameter");
      out->push_back(
          {variable_at_[static_cast<size_t>(o.local)], 0, static_cast<uint32_t>(v.size())});
    }
  };
  if (operand(at).kind == Operand::Kind::List) area(operands[at++], &site.results);
  const Operand& callee = operand(at++);
  if (at < operands.size() && operands[at].kind == Operand::Kind::List)
    area(operands[at++], &site.arguments);
  Op op = Op::Call;
  uint32_t pointer = kNoOperand;
  if (callee.kind == Operand::Kind::Register) {
    op = Op::CallIndirect;
    pointer = source(callee, Type::U64);
  } else if (callee.kind == Operand::Kind::Symbol) {
    auto found = env_.functions.find(callee.name);
    if (found == env_.functions.end()) throw Invalid("unknown function " + callee.name);
    const Code* code = env_.codes[static_cast<size_t>(found->second)];
    const FunctionText& f = env_.text->functions[static_cast<size_t>(found->second)];
    if (!f.defined) {
      op = Op::CallBuiltin;
      site.builtin = find_builtin(callee.name);
      if (site.builtin < 0) throw Refused("function " + callee.name + " is not defined");
    } else {
      if (f.signature.params.size() != site.arguments.size() ||
          f.signature.returns.size() != site.results.size())
        throw Invalid("call does not fit " + callee.name);
      site.callee = code;
    }
  } else {
    throw Invalid("expected a function");
  }
  Inst& in = emit(op, Type::B64);
  in.r[0] = pointer;
  in.imm = static_cast<int64_t>(code_.calls.size());
  code_.calls.push_back(std::move(site));
}

void Lower::ret() {
  take("uni");
  emit(Op::Ret, Type::B32);
}
void Lower::exit() {
  emit(Op::Exit, Type::B32);
}
void Lower::trap() {
  emit(Op::Trap, Type::B32);
}
void Lower::nop() {
  words_.clear();
  emit(Op::Nop, Type::B32);
}
void Lower::yield() {  // nanosleep
  words_.clear();
  emit(Op::Yield, Type::B32);
}

// flag: wait, else launch_dependents.
void Lower::grid_dependency() {
  const bool wait = take("wait");
  if (!wait && !take("launch_dependents")) throw Refused("form of griddepcontrol");
  emit(Op::GridDependency, Type::B32).flag = wait;
}

// bar.sync, bar.arrive, bar.red, barrier..., bar.warp.sync, barrier.cluster
void Lower::barrier() {
  if (take("warp")) {
    take("sync");
    const uint32_t members = source(operand(0), Type::B32);
    emit(Op::WarpBarrier, Type::B32).r[0] = members;
    return;
  }
  if (take("cluster")) {  // the cluster is this block: arrive does nothing, wait is the barrier
    const bool arrive = take("arrive");
    if (!arrive && !take("wait")) throw Refused("form of barrier.cluster");
    bool fence = false;
    take_memory_order(&fence);
    take("aligned");
    if (arrive) {
      emit(Op::Nop, Type::B32);
      return;
    }
    const uint32_t number = constant(0, 4);
    emit(Op::Barrier, Type::B32).r[2] = number;
    return;
  }
  take("cta");
  take("aligned");
  uint8_t kind = 0;
  if (take("arrive")) {
    kind = 1;
  } else if (take("red")) {
    kind = take("popc") ? 2 : take("and") ? 3 : take("or") ? 4 : 0;
    if (!kind) throw Refused("form of bar.red");
  } else {
    take("sync");
  }
  size_t at = 0;
  uint32_t d = kNoOperand, p = kNoOperand;
  if (kind >= 2) {
    const Type t = type();
    d = destination(operand(at++), kind == 2 ? t : Type::Pred);
    p = predicate(now_->operands.back());
  }
  const size_t numbers = now_->operands.size() - at - (kind >= 2 ? 1 : 0);
  const uint32_t number = numbers >= 1 ? source(operand(at), Type::U32) : constant(0, 4);
  const uint32_t count = numbers >= 2 ? source(operand(at + 1), Type::U32) : kNoOperand;
  Inst& in = emit(Op::Barrier, Type::B32);
  in.aux = kind;
  in.flag = numbers >= 2;
  in.r[0] = d;
  in.r[1] = p;
  in.r[2] = number;
  in.r[3] = count;
}

// The lanes of `members` meet before the instruction that follows.
void Lower::rendezvous(uint32_t members) {
  emit(Op::Rendezvous, Type::B32).r[0] = members;
}

void Lower::shfl() {
  static constexpr std::pair<std::string_view, Lane> kModes[] = {
      {"up", Lane::Up}, {"down", Lane::Down}, {"bfly", Lane::Bfly}, {"idx", Lane::Idx}};
  const bool sync = take("sync");
  uint8_t mode = 0xff;
  for (const auto& [word, value] : kModes) {
    if (take(word)) mode = static_cast<uint8_t>(value);
  }
  if (mode == 0xff) throw Invalid("shfl without a mode");
  const Type t = type();
  if (bits(t) != 32) throw Invalid("shfl moves 32 bits");
  const Operand& first = operand(0);
  const bool pair = first.kind == Operand::Kind::List;
  const uint32_t d = destination(pair ? first.list[0] : first, t);
  const uint32_t p = pair ? destination(first.list[1], Type::Pred) : kNoOperand;
  const uint32_t a = source(operand(1), t), b = source(operand(2), Type::B32),
                 c = source(operand(3), Type::B32);
  if (sync) rendezvous(source(operand(4), Type::B32));
  Inst& in = emit(Op::Shfl, t);
  in.aux = mode;
  in.flag = pair;
  in.r[0] = d;
  in.r[1] = p;
  in.r[2] = a;
  in.r[3] = b;
  in.r[4] = c;
}

void Lower::vote() {
  static constexpr std::pair<std::string_view, Lane> kModes[] = {
      {"all", Lane::All}, {"any", Lane::Any}, {"uni", Lane::Uni}, {"ballot", Lane::Ballot}};
  const bool sync = take("sync");
  uint8_t mode = 0xff;
  for (const auto& [word, value] : kModes) {
    if (take(word)) mode = static_cast<uint8_t>(value);
  }
  if (mode == 0xff) throw Invalid("vote without a mode");
  const Type t = type();
  const uint32_t d = destination(operand(0), t), p = predicate(operand(1));
  const uint32_t members = sync ? source(operand(2), Type::B32) : constant(~0u, 4);
  if (sync) rendezvous(members);
  Inst& in = emit(Op::Vote, t);
  in.aux = mode;
  in.r[0] = d;
  in.r[1] = p;
  in.r[2] = members;
}

void Lower::match() {
  const bool all = take("all");
  if (!all && !take("any")) throw Invalid("match without a mode");
  take("sync");
  const Type t = type();
  const Operand& first = operand(0);
  const bool pair = first.kind == Operand::Kind::List;
  const uint32_t d = destination(pair ? first.list[0] : first, Type::B32);
  const uint32_t p = pair ? destination(first.list[1], Type::Pred) : kNoOperand;
  const uint32_t a = source(operand(1), t), members = source(operand(2), Type::B32);
  rendezvous(members);
  Inst& in = emit(Op::Match, t);
  in.flag = pair;
  in.flag2 = all;
  in.r[0] = d;
  in.r[1] = p;
  in.r[2] = a;
  in.r[3] = members;
}

void Lower::activemask() {
  const Type t = type();
  const uint32_t d = destination(operand(0), t);
  emit(Op::Activemask, t).r[0] = d;
}

void Lower::redux() {
  take("sync");
  const AtomOp op = take_atom_op();
  const Type t = type();
  const uint32_t d = destination(operand(0), t), a = source(operand(1), t),
                 members = source(operand(2), Type::B32);
  rendezvous(members);
  Inst& in = emit(Op::Redux, t);
  in.aux = static_cast<uint8_t>(op);
  in.r[0] = d;
  in.r[1] = a;
  in.r[2] = members;
}

void Lower::elect() {
  take("sync");
  const Operand& first = operand(0);
  if (first.kind != Operand::Kind::List || first.list.size() != 2) throw Invalid("expected d|p");
  const uint32_t d = destination(first.list[0], Type::B32),
                 p = destination(first.list[1], Type::Pred),
                 members = source(operand(1), Type::B32);
  rendezvous(members);
  Inst& in = emit(Op::Elect, Type::B32);
  in.r[0] = d;
  in.r[1] = p;
  in.r[2] = members;
}

const std::map<std::string_view, Lower::Rule>& Lower::rules() {
  static const std::map<std::string_view, Rule> kRules = {
      {"mov", &Lower::mov},
      {"add", &Lower::arithmetic},
      {"sub", &Lower::arithmetic},
      {"div", &Lower::arithmetic},
      {"rem", &Lower::arithmetic},
      {"min", &Lower::arithmetic},
      {"max", &Lower::arithmetic},
      {"abs", &Lower::arithmetic},
      {"neg", &Lower::arithmetic},
      {"sad", &Lower::arithmetic},
      {"mul", &Lower::multiply},
      {"mad", &Lower::multiply},
      {"mul24", &Lower::multiply},
      {"mad24", &Lower::multiply},
      {"addc", &Lower::carry},
      {"subc", &Lower::carry},
      {"madc", &Lower::carry},
      {"and", &Lower::logic},
      {"or", &Lower::logic},
      {"xor", &Lower::logic},
      {"not", &Lower::logic},
      {"cnot", &Lower::logic},
      {"shl", &Lower::shift},
      {"shr", &Lower::shift},
      {"popc", &Lower::counts},
      {"clz", &Lower::counts},
      {"bfind", &Lower::counts},
      {"brev", &Lower::counts},
      {"bfe", &Lower::bitfield},
      {"bfi", &Lower::bitfield},
      {"fns", &Lower::bitfield},
      {"bmsk", &Lower::bitfield},
      {"szext", &Lower::bitfield},
      {"lop3", &Lower::lop3},
      {"prmt", &Lower::prmt},
      {"shf", &Lower::shf},
      {"dp4a", &Lower::dot},
      {"dp2a", &Lower::dot},
      {"fma", &Lower::fma},
      {"rcp", &Lower::real_unary},
      {"sqrt", &Lower::real_unary},
      {"rsqrt", &Lower::real_unary},
      {"ex2", &Lower::real_unary},
      {"lg2", &Lower::real_unary},
      {"sin", &Lower::real_unary},
      {"cos", &Lower::real_unary},
      {"tanh", &Lower::real_unary},
      {"copysign", &Lower::copysign},
      {"testp", &Lower::testp},
      {"setp", &Lower::setp},
      {"set", &Lower::set},
      {"selp", &Lower::selp},
      {"slct", &Lower::slct},
      {"cvt", &Lower::cvt},
      {"ld", &Lower::ld},
      {"ldu", &Lower::ld},
      {"st", &Lower::st},
      {"atom", &Lower::atom},
      {"red", &Lower::atom},
      {"membar", &Lower::fence},
      {"fence", &Lower::fence},
      {"cvta", &Lower::cvta},
      {"isspacep", &Lower::isspacep},
      {"prefetch", &Lower::prefetch},
      {"prefetchu", &Lower::prefetch},
      {"applypriority", &Lower::prefetch},
      {"cp", &Lower::cp_async},
      {"mapa", &Lower::mapa},
      {"mbarrier", &Lower::mbarrier},
      {"tex", &Lower::texture},
      {"suld", &Lower::surface_load},
      {"sust", &Lower::surface_store},
      {"bra", &Lower::bra},
      {"brx", &Lower::brx},
      {"call", &Lower::call},
      {"ret", &Lower::ret},
      {"exit", &Lower::exit},
      {"trap", &Lower::trap},
      {"brkpt", &Lower::trap},
      {"pmevent", &Lower::nop},
      {"nanosleep", &Lower::yield},
      {"setmaxnreg", &Lower::nop},
      {"griddepcontrol", &Lower::grid_dependency},
      {"bar", &Lower::barrier},
      {"barrier", &Lower::barrier},
      {"shfl", &Lower::shfl},
      {"vote", &Lower::vote},
      {"match", &Lower::match},
      {"activemask", &Lower::activemask},
      {"redux", &Lower::redux},
      {"elect", &Lower::elect},
  };
  return kRules;
}

}  // namespace sim::ptx
