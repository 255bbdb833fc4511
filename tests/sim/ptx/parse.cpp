// SPDX-License-Identifier: Apache-2.0
// The PTX module level: directives, variables, function heads. Bodies are in parse_body.cpp.
#include "tests/sim/ptx/parse.h"

#include <algorithm>

namespace sim::ptx {

bool find_type(std::string_view text, Type* out) {
  for (size_t i = 0; i < std::size(kTypes); ++i) {
    if (kTypes[i].text != text) continue;
    *out = static_cast<Type>(i);
    return true;
  }
  return false;
}

std::optional<Space> find_space(std::string_view word) {
  if (word == ".global") return Space::Global;
  if (word == ".shared") return Space::Shared;
  if (word == ".local") return Space::Local;
  if (word == ".const") return Space::Const;
  if (word == ".param") return Space::Param;
  return std::nullopt;
}

namespace {

void parse_initial(Lexer& lex, std::vector<Initial>* out) {
  if (lex.take('{')) {
    if (lex.take('}')) return;
    do {
      parse_initial(lex, out);
    } while (lex.take(','));
    lex.expect('}');
    return;
  }
  Initial value;
  bool close = false;
  if (lex.at_number()) {
    Number number = lex.number();
    if (!lex.take('(')) {
      value.value = number.value;
      value.real = number.real;
      value.single = number.single;
      while (!number.real && (lex.take('+') || lex.peek() == '-')) value.value += lex.integer();
      out->push_back(value);
      return;
    }
    value.mask = number.value;
    close = true;
  }
  value.symbol = lex.word();
  if (value.symbol == "generic" && lex.take('(')) {
    value.symbol = lex.word();
    lex.expect(')');
  }
  if (close) lex.expect(')');
  if (lex.take('+') || lex.peek() == '-') value.value = lex.integer();
  out->push_back(value);
}

}  // namespace

VariableText parse_variable_head(Lexer& lex, Space space) {
  VariableText v;
  v.space = space;
  v.line = lex.line();
  bool typed = false;
  bool aligned = false;
  size_t vector = 1;
  while (lex.peek() == '.') {
    std::string_view word = lex.directive();
    if (word == ".align") {
      v.align = lex.integer();
      aligned = true;
      if (v.align == 0 || (v.align & (v.align - 1))) lex.fail("alignment is no power of two");
    } else if (word == ".ptr") {  // what follows is about the pointee, not the parameter
      while (lex.peek() == '.') {
        if (lex.directive() == ".align") lex.integer();
      }
    } else if (word == ".attribute") {
      lex.expect('(');
      while (!lex.take(')')) {
        if (lex.peek() == '.') {
          lex.directive();
        } else if (lex.at_number()) {
          lex.number();
        } else if (!lex.take(',')) {
          lex.fail("bad attribute");
        }
      }
    } else if (word == ".v2" || word == ".v4") {
      vector = word == ".v2" ? 2 : 4;
    } else if (word == ".texref" || word == ".samplerref" || word == ".surfref") {
      v.type = Type::B64;
      v.opaque = typed = true;
    } else if (find_type(word.substr(1), &v.type)) {
      typed = true;
    } else {
      lex.fail("unexpected " + std::string(word) + " in a declaration");
    }
  }
  if (!typed) lex.fail("declaration without a type");
  if (!aligned) v.align = std::max<size_t>(1, bytes(v.type) * vector);
  v.count = vector;
  return v;
}

void parse_variable_rest(Lexer& lex, VariableText* v) {
  bool open_array = false;
  while (lex.take('[')) {
    if (lex.take(']')) {
      open_array = true;
      continue;
    }
    size_t n = lex.integer();
    if (n && v->count > SIZE_MAX / 64 / n) lex.fail("array too large");
    v->count *= n;
    lex.expect(']');
  }
  if (lex.take('=')) parse_initial(lex, &v->initial);
  if (open_array) v->count *= v->initial.size();  // extern __shared__ x[]: 0
  if (!v->opaque && v->initial.size() > v->count) lex.fail("more initial values than elements");
}

std::vector<VariableText> parse_params(Lexer& lex) {
  std::vector<VariableText> params;
  lex.expect('(');
  if (lex.take(')')) return params;
  do {
    std::string_view space = lex.directive();
    if (space != ".param" && space != ".reg") lex.fail("expected .param");
    VariableText v = parse_variable_head(lex, Space::Param);
    v.name = lex.word();
    parse_variable_rest(lex, &v);
    params.push_back(std::move(v));
  } while (lex.take(','));
  lex.expect(')');
  return params;
}

namespace {

class ModuleParser {
 public:
  ModuleParser(Lexer& lex, ModuleText* out) : lex_(lex), out_(*out) {}

  void run() {
    if (!lex_.take_word(".version")) lex_.fail("no PTX: expected .version");
    lex_.skip_line();
    while (char c = lex_.peek()) {
      if (c == '@') {  // @@DWARF of old compilers
        lex_.skip_line();
      } else if (!lex_.take(';')) {
        item();
      }
    }
  }

 private:
  void item() {
    bool external = false;
    for (;;) {
      std::string_view word = lex_.directive();
      if (word == ".extern") {
        external = true;
      } else if (word == ".visible" || word == ".weak" || word == ".common") {
        continue;
      } else if (word == ".target" || word == ".file" || word == ".loc") {
        return lex_.skip_line();
      } else if (word == ".address_size") {
        if (lex_.integer() != 64) lex_.fail("only 64-bit PTX");
        return;
      } else if (word == ".section") {
        lex_.directive();
        return lex_.skip_block();
      } else if (word == ".pragma") {
        lex_.skip_statement();
        return;
      } else if (word == ".alias") {
        std::string name(lex_.word());
        lex_.expect(',');
        out_.aliases.emplace_back(name, lex_.word());
        lex_.expect(';');
        return;
      } else if (word == ".entry" || word == ".func") {
        return function(word == ".entry");
      } else if (word == ".tex") {
        return variables(Space::Global, external);
      } else if (auto space = find_space(word)) {
        return variables(*space, external);
      } else {
        lex_.fail("unknown directive " + std::string(word));
      }
    }
  }

  void variables(Space space, bool external) {
    VariableText head = parse_variable_head(lex_, space);
    head.external = external;
    do {
      VariableText v = head;
      v.name = lex_.word();
      parse_variable_rest(lex_, &v);
      out_.variables.push_back(std::move(v));
    } while (lex_.take(','));
    lex_.expect(';');
  }

  void function(bool entry) {
    FunctionText f;
    f.entry = entry;
    f.line = lex_.line();
    while (lex_.take_word(".attribute")) {
      while (!lex_.take(')')) lex_.take('(') || lex_.take(',') || !lex_.directive().empty();
    }
    if (!entry && lex_.peek() == '(') f.signature.returns = parse_params(lex_);
    f.name = lex_.word();
    if (lex_.peek() == '(') f.signature.params = parse_params(lex_);
    while (lex_.peek() == '.') {
      std::string_view word = lex_.directive();
      if (word == ".pragma") {
        lex_.skip_statement();
      } else if (lex_.at_number()) {
        uint64_t total = 1;
        do {
          total *= lex_.integer();
        } while (lex_.take(','));
        if (word == ".maxntid" || word == ".reqntid") f.max_threads = static_cast<unsigned>(total);
      }  // .noreturn, .explicitcluster, ...: nothing to do
    }
    if (lex_.take(';')) {
      out_.functions.push_back(std::move(f));
      return;
    }
    f.defined = true;
    parse_body(lex_, &f);
    out_.functions.push_back(std::move(f));
  }

  Lexer& lex_;
  ModuleText& out_;
};

}  // namespace

bool parse(std::string_view text, ModuleText* out, std::string* message) {
  Lexer lex(text);
  try {
    ModuleParser(lex, out).run();
    return true;
  } catch (const SyntaxError& error) {
    *message = error.what();
    return false;
  }
}

}  // namespace sim::ptx
