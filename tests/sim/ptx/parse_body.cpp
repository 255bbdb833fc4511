// SPDX-License-Identifier: Apache-2.0
// Function bodies: scopes, register numbering, labels, statements and their operands.
#include <map>

#include "tests/sim/ptx/parse.h"

namespace sim::ptx {
namespace {

// A texture or other operand form that no supported instruction has; the statement is kept and
// refused where it is lowered, so that the rest of the module works.
struct StrangeOperand : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Scope {
  int parent = -1;
  std::map<std::string_view, int> registers;
  std::map<std::string_view, std::pair<int, int>> ranges;  // prefix -> first, count
  std::map<std::string_view, int> variables, labels, prototypes, targets;
};

struct PendingLabel {
  std::string_view name;
  int scope;
  unsigned line;
  size_t target_list = 0, target_index = 0;
  size_t statement = 0;
  bool list = false;
};

class BodyParser {
 public:
  BodyParser(Lexer& lex, FunctionText* out) : lex_(lex), f_(*out) {}

  void run() {
    lex_.expect('{');
    open_scope();
    for (auto* list : {&f_.signature.returns, &f_.signature.params}) {
      for (const VariableText& v : *list) add_variable(v, v.name);
    }
    while (scope_ >= 0) statement();
    for (const PendingLabel& p : pending_) {
      int label = lookup(p.scope, &Scope::labels, p.name);
      if (label < 0) throw SyntaxError(p.line, "no label " + std::string(p.name));
      if (p.list) {
        f_.targets[p.target_list][p.target_index] = label;
      } else {
        Operand& operand = f_.body[p.statement].operands[0];
        operand.kind = Operand::Kind::Label;
        operand.value = static_cast<uint64_t>(label);
      }
    }
  }

 private:
  void open_scope() {
    scopes_.push_back({scope_, {}, {}, {}, {}, {}, {}});
    scope_ = static_cast<int>(scopes_.size()) - 1;
  }

  int lookup(int scope, std::map<std::string_view, int> Scope::*what, std::string_view name) const {
    for (; scope >= 0; scope = scopes_[scope].parent) {
      auto found = (scopes_[scope].*what).find(name);
      if (found != (scopes_[scope].*what).end()) return found->second;
    }
    return -1;
  }

  int find_register(std::string_view name) const {
    size_t digits = name.size();
    while (digits && name[digits - 1] >= '0' && name[digits - 1] <= '9') --digits;
    for (int s = scope_; s >= 0; s = scopes_[s].parent) {
      const Scope& scope = scopes_[s];
      if (auto found = scope.registers.find(name); found != scope.registers.end())
        return found->second;
      if (digits == name.size() || name.size() - digits > 9) continue;
      auto range = scope.ranges.find(name.substr(0, digits));
      if (range == scope.ranges.end()) continue;
      if (name[digits] == '0' && name.size() - digits > 1) continue;  // %r01 is not %r1
      int index = std::stoi(std::string(name.substr(digits)));
      if (index < range->second.second) return range->second.first + index;
    }
    return -1;
  }

  void add_variable(VariableText v, std::string_view stable_name) {
    scopes_[scope_].variables[stable_name] = static_cast<int>(f_.variables.size());
    f_.variables.push_back(std::move(v));
  }

  void statement() {
    char c = lex_.peek();
    if (c == '{') {
      lex_.expect('{');
      open_scope();
    } else if (c == '}') {
      lex_.expect('}');
      scope_ = scopes_[scope_].parent;
    } else if (c == ';') {
      lex_.expect(';');
    } else if (c == '.') {
      directive();
    } else if (c == '@') {
      instruction();
    } else {
      Lexer look = lex_;
      std::string_view name = look.word();
      if (look.take(':')) {
        lex_ = look;
        label(name);
      } else {
        instruction();
      }
    }
  }

  void label(std::string_view name) {
    if (lex_.take_word(".branchtargets")) {
      size_t list = f_.targets.size();
      f_.targets.emplace_back();
      do {
        pending_.push_back(
            {lex_.word(), scope_, lex_.line(), list, f_.targets[list].size(), 0, true});
        f_.targets[list].push_back(-1);
      } while (lex_.take(','));
      lex_.expect(';');
      scopes_[scope_].targets[name] = static_cast<int>(list);
    } else if (lex_.take_word(".callprototype")) {
      Prototype prototype;
      if (lex_.peek() == '(') prototype.returns = parse_params(lex_);
      lex_.word();  // always _
      if (lex_.peek() == '(') prototype.params = parse_params(lex_);
      lex_.skip_statement();  // .noreturn
      scopes_[scope_].prototypes[name] = static_cast<int>(f_.prototypes.size());
      f_.prototypes.push_back(std::move(prototype));
    } else if (lex_.take_word(".calltargets")) {
      lex_.skip_statement();
    } else {
      if (!scopes_[scope_].labels.emplace(name, f_.labels).second)
        lex_.fail("label " + std::string(name) + " twice");
      Statement s;
      s.text = name;
      s.line = lex_.line();
      s.label = f_.labels++;
      f_.body.push_back(std::move(s));
    }
  }

  void directive() {
    std::string_view word = lex_.directive();
    if (word == ".loc" || word == ".file") return lex_.skip_line();
    if (word == ".pragma") return void(lex_.skip_statement());
    if (word == ".reg") return registers();
    if (word == ".extern") word = lex_.directive();
    auto space = find_space(word);
    if (!space) lex_.fail("unexpected " + std::string(word) + " in a function");
    VariableText head = parse_variable_head(lex_, *space);
    do {
      VariableText v = head;
      std::string_view name = lex_.word();
      v.name = name;
      parse_variable_rest(lex_, &v);
      add_variable(std::move(v), name);
    } while (lex_.take(','));
    lex_.expect(';');
  }

  void registers() {
    VariableText head = parse_variable_head(lex_, Space::Generic);
    if (head.count != 1) lex_.fail("vector registers are not supported");
    do {
      std::string_view name = lex_.word();
      int first = static_cast<int>(f_.registers.size());
      int count = 1;
      if (lex_.take('<')) {
        uint64_t n = lex_.integer();
        if (n > 1u << 20) lex_.fail("too many registers");
        count = static_cast<int>(n);
        lex_.expect('>');
        scopes_[scope_].ranges[name] = {first, count};
      } else {
        scopes_[scope_].registers[name] = first;
      }
      f_.registers.insert(f_.registers.end(), count, RegisterText{head.type});
    } while (lex_.take(','));
    lex_.expect(';');
  }

  void instruction() {
    Statement s;
    s.line = lex_.line();
    size_t start = lex_.position();
    if (lex_.take('@')) {
      s.guard_negated = lex_.take('!');
      std::string_view name = lex_.word();
      s.guard = find_register(name);
      if (s.guard < 0 || f_.registers[s.guard].type != Type::Pred)
        lex_.fail(std::string(name) + " is no predicate register");
      lex_.peek();
    }
    std::string_view opcode = lex_.opcode();
    for (size_t at = 0; at <= opcode.size();) {
      size_t dot = std::min(opcode.find('.', at), opcode.size());
      s.opcode.push_back(opcode.substr(at, dot - at));
      at = dot + 1;
    }
    Lexer rewind = lex_;
    try {
      if (lex_.peek() != ';') {
        do {
          s.operands.push_back(operand());
        } while (lex_.take(','));
      }
      if (lex_.peek() != ';') throw StrangeOperand("unreadable operands");
      s.text = lex_.from(start);
      lex_.expect(';');
    } catch (const StrangeOperand& strange) {
      lex_ = rewind;
      lex_.skip_statement();
      s.error = strange.what();
      s.operands.clear();
      s.text = lex_.from(start);
      s.text.remove_suffix(1);
    }
    if (s.opcode[0] == "bra" && s.error.empty()) {
      if (s.operands.size() != 1 || s.operands[0].kind != Operand::Kind::Symbol)
        lex_.fail("bra needs a label");
      pending_.push_back({branch_name_, scope_, s.line, 0, 0, f_.body.size(), false});
    }
    f_.body.push_back(std::move(s));
  }

  Operand operand() {
    Operand o = simple_operand();
    if (!lex_.take('|')) return o;
    Operand pair;
    pair.kind = Operand::Kind::List;
    pair.list.push_back(std::move(o));
    pair.list.push_back(simple_operand());
    return pair;
  }

  Operand simple_operand() {
    char c = lex_.peek();
    if (c == '{' || c == '(') return list(c == '{' ? '}' : ')');
    if (c == '[') return memory();
    Operand o;
    if (lex_.take('!')) {
      o = simple_operand();
      o.negated = !o.negated;
      return o;
    }
    if (lex_.at_number()) {
      Number n = lex_.number();
      o.kind = n.real ? Operand::Kind::Float : Operand::Kind::Integer;
      o.value = n.value;
      o.single = n.single;
      return o;
    }
    bool minus = lex_.take('-');
    if (!lex_.at_word()) throw StrangeOperand("unreadable operands");
    std::string_view name = lex_.word();
    if (minus) throw StrangeOperand("unreadable operands");
    return named(name);
  }

  Operand named(std::string_view name) {
    Operand o;
    if (name == "_") return o;
    if (name == "WARP_SZ") {
      o.kind = Operand::Kind::Integer;
      o.value = 32;
      return o;
    }
    if (int reg = find_register(name); reg >= 0) {
      o.kind = Operand::Kind::Register;
      o.reg = reg;
      return o;
    }
    o.name = name;
    if (name[0] == '%') {
      o.kind = Operand::Kind::Special;
      if (lex_.peek() == '.') o.name += lex_.directive();
      return o;
    }
    o.kind = Operand::Kind::Symbol;
    o.value = ~0ull;
    branch_name_ = name;
    if (int v = lookup(scope_, &Scope::variables, name); v >= 0) o.local = v;
    if (int t = lookup(scope_, &Scope::targets, name); t >= 0) o.value = static_cast<uint64_t>(t);
    if (int p = lookup(scope_, &Scope::prototypes, name); p >= 0)
      o.value = static_cast<uint64_t>(p);
    o.offset = displacement();
    return o;
  }

  int64_t displacement() {
    int64_t total = 0;
    for (;;) {
      if (lex_.take('+')) {
        total += static_cast<int64_t>(lex_.integer());
      } else if (lex_.peek() == '-') {
        total += static_cast<int64_t>(lex_.integer());
      } else {
        return total;
      }
    }
  }

  Operand memory() {
    lex_.expect('[');
    Operand o;
    o.kind = Operand::Kind::Memory;
    if (lex_.at_number()) {
      o.offset = static_cast<int64_t>(lex_.integer());
    } else {
      if (!lex_.at_word()) throw StrangeOperand("unreadable address");
      Operand base = named(lex_.word());
      if (base.kind != Operand::Kind::Register && base.kind != Operand::Kind::Symbol)
        throw StrangeOperand("unreadable address");
      o.reg = base.reg;
      o.name = base.name;
      o.local = base.local;
      o.offset = base.offset + displacement();
    }
    if (lex_.take(',')) o.list = list('}').list;  // a texture's coordinates
    if (!lex_.take(']')) throw StrangeOperand("unreadable address");
    return o;
  }

  Operand list(char close) {
    Operand o;
    o.kind = Operand::Kind::List;
    lex_.expect(close == '}' ? '{' : '(');
    if (lex_.take(close)) return o;
    do {
      o.list.push_back(operand());
    } while (lex_.take(','));
    if (!lex_.take(close)) throw StrangeOperand("unreadable list");
    return o;
  }

  Lexer& lex_;
  FunctionText& f_;
  std::vector<Scope> scopes_;
  int scope_ = -1;
  std::vector<PendingLabel> pending_;
  std::string_view branch_name_;
};

}  // namespace

void parse_body(Lexer& lex, FunctionText* function) {
  BodyParser(lex, function).run();
}

}  // namespace sim::ptx
