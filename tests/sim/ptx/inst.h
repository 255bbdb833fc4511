// SPDX-License-Identifier: Apache-2.0
// The decoded form of PTX that the interpreter runs.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/ptx/ptx.h"
#include "tests/sim/ptx/source.h"

namespace sim::ptx {

inline constexpr int kLanes = 32;

enum class Op : uint8_t {
#define OP(name) name,
#include "tests/sim/ptx/ops.def"
#undef OP
};

enum class Compare : uint8_t {
  Eq,
  Ne,
  Lt,
  Le,
  Gt,
  Ge,  // lo, ls, hi, hs are these on unsigned types
  Equ,
  Neu,
  Ltu,
  Leu,
  Gtu,
  Geu,  // true also when unordered
  Num,
  Nan,
};
enum class Bool : uint8_t { None, And, Or, Xor };
enum class Round : uint8_t { Near, Zero, Down, Up, Away, Odd, NearInt, ZeroInt, DownInt, UpInt };
enum class AtomOp : uint8_t { And, Or, Xor, Cas, Exch, Add, Inc, Dec, Min, Max };
enum class Lane : uint8_t { Up, Down, Bfly, Idx, All, Any, Uni, Ballot };  // shfl and vote modes

struct Inst;
struct Warp;
struct Code;

// Runs one instruction for the lanes of warp.mask; returns the next one, or null when the warp's
// current split cannot simply go on (diverged, waiting, finished).
using Handler = const Inst* (*)(Warp&, const Inst*);

// Operands are byte offsets into the frame. Register R of B bytes is 32 lanes of B bytes side by
// side; a predicate is one uint32_t. Absent operands are kNoOperand until layout, then a scratch
// area.
inline constexpr uint32_t kNoOperand = ~0u;
inline constexpr size_t kMaxOperands = 10;

struct alignas(16) Inst {
  Handler fn = nullptr;
  const Inst* target = nullptr;  // Bra
  int64_t imm = 0;               // address displacement, label, table index: by Op
  std::array<uint32_t, kMaxOperands> r{kNoOperand, kNoOperand, kNoOperand, kNoOperand, kNoOperand,
                                       kNoOperand, kNoOperand, kNoOperand, kNoOperand, kNoOperand};
  Op op = Op::Nop;
  Type type = Type::B32;
  Type from = Type::B32;  // Cvt source; Mad and Dp second type
  Space space = Space::Generic;
  Compare compare = Compare::Eq;
  Bool combine = Bool::None;
  Round round = Round::Near;
  uint8_t aux = 0;     // Atom: AtomOp; Shfl, Vote: Lane; Lop3: table; others: by Op
  uint8_t width = 0;   // bytes of the register that is loaded, stored or converted to
  uint8_t width2 = 0;  // Cvt: bytes of the source register; memory: bytes of the address register
  uint8_t vec = 1;     // elements of a vector access
  bool ftz = false;
  bool sat = false;
  bool nan = false;      // min.NaN and kin
  bool negated = false;  // Bra, Guard: on !p
  bool flag = false;     // by Op: carry in, relu, abs, wrap, ...
  bool flag2 = false;    // by Op: carry out, second variant
};

struct JumpTable {
  std::vector<const Inst*> targets;
};

struct Copy {  // one argument or result of a call, between the local areas of two functions
  uint32_t from, to, bytes;
};

struct CallSite {
  const Code* callee = nullptr;
  int builtin = -1;
  std::vector<Copy> arguments, results;  // offsets in the caller's local area first
};

// One function, ready to run.
struct Code {
  std::string name;
  bool entry = false;
  std::vector<Inst> insts;
  std::vector<unsigned> lines;  // beside insts, for messages only
  std::vector<std::string_view> texts;
  std::vector<JumpTable> tables;
  std::vector<CallSite> calls;
  size_t frame_bytes = 0;
  size_t constants_at = 0;  // offset in the frame; the bytes are copied in when a frame is made
  std::vector<std::byte> constants;
  size_t local_bytes = 0;  // per thread: .local and .param of all scopes
  bool recursive = false;
  std::vector<uint32_t> param_at, return_at;  // offsets of the formals in the local area
  std::vector<uint32_t> param_size, return_size;
  std::string refused;  // not empty: cannot run, and why
};

}  // namespace sim::ptx
