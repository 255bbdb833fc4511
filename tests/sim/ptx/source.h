// SPDX-License-Identifier: Apache-2.0
// PTX text as the parser leaves it: variables, functions and statements, with registers already
// numbered and everything else still in words. lower.h turns it into what the interpreter runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sim::ptx {

enum class Class : uint8_t { Pred, Bits, Unsigned, Signed, Float, Packed };

enum class Type : uint8_t {
#define TYPE(name, text, bits, cls) name,
#include "tests/sim/ptx/types.def"
#undef TYPE
};

struct TypeInfo {
  std::string_view text;
  unsigned bits;
  Class cls;
};

inline constexpr TypeInfo kTypes[] = {
#define TYPE(name, text, bits, cls) {text, bits, Class::cls},
#include "tests/sim/ptx/types.def"
#undef TYPE
};

inline constexpr const TypeInfo& info(Type type) {
  return kTypes[static_cast<size_t>(type)];
}
inline constexpr unsigned bits(Type type) {
  return info(type).bits;
}
inline constexpr unsigned bytes(Type type) {
  return (info(type).bits + 7) / 8;
}
inline constexpr bool is_signed(Type type) {
  return info(type).cls == Class::Signed;
}
bool find_type(std::string_view text, Type* out);

enum class Space : uint8_t { Generic, Global, Shared, Local, Const, Param };

struct Initial {       // one element of an initialiser
  uint64_t value = 0;  // an integer, or the bits of a double, of a float when `single`
  bool real = false;
  bool single = false;
  std::string symbol;     // not empty: the address of this symbol is added
  uint64_t mask = ~0ull;  // PTX's mask operator: these bits of the address, moved down
};

struct VariableText {
  std::string name;
  Space space = Space::Global;
  Type type = Type::B8;
  size_t count = 1;  // elements, all dimensions multiplied
  size_t align = 1;
  bool external = false;
  bool opaque = false;  // .texref and kin: a handle nobody can use here
  std::vector<Initial> initial;
  unsigned line = 0;
  size_t size() const { return count * bytes(type); }
};

struct Operand {
  enum class Kind : uint8_t {
    Sink,
    Register,
    Special,
    Integer,
    Float,
    Symbol,
    Label,
    Memory,
    List
  };
  Kind kind = Kind::Sink;
  bool negated = false;       // !p
  int reg = -1;               // Register; Memory: base register, or -1
  uint64_t value = 0;         // Integer; Float: bits of a double, or of a float when `single`
  bool single = false;        // 0fXXXXXXXX
  int64_t offset = 0;         // Memory and Symbol: added to the base
  std::string name;           // Special with its component, Symbol; Memory: base symbol
  int local = -1;             // Symbol/Memory: index into FunctionText::variables
  std::vector<Operand> list;  // List: {a, b, c}, (a, b) or a|b; Memory: coordinates, [t, {x, y}]
};

struct Statement {
  std::string_view text;  // as written, for messages
  unsigned line = 0;
  int label = -1;  // >= 0: this statement is a label, nothing else
  int guard = -1;  // predicate register, or -1
  bool guard_negated = false;
  std::vector<std::string_view> opcode;  // split at the dots
  std::vector<Operand> operands;
  std::string error;  // operands could not be read (texture syntax): refused where it is used
};

struct RegisterText {
  Type type;
};

struct Prototype {  // .callprototype, or the signature of a function
  std::vector<VariableText> returns, params;
};

struct FunctionText {
  std::string name;
  bool entry = false;
  bool defined = false;
  unsigned line = 0;
  Prototype signature;
  unsigned max_threads = 0;
  std::vector<RegisterText> registers;
  std::vector<VariableText>
      variables;  // .local, .shared, .param of every scope; formals come first
  std::vector<Prototype> prototypes;
  std::vector<std::vector<int>> targets;  // .branchtargets: labels
  int labels = 0;
  std::vector<Statement> body;
};

struct ModuleText {
  std::vector<VariableText> variables;
  std::vector<FunctionText> functions;
  std::vector<std::pair<std::string, std::string>> aliases;
};

// `text` must outlive the result. False: *message says line and reason.
bool parse(std::string_view text, ModuleText* out, std::string* message);

}  // namespace sim::ptx
