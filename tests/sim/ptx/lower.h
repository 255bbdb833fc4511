// SPDX-License-Identifier: Apache-2.0
// One function from statements to instructions. The rules for groups of instructions are in
// lower_*.cpp; each reads the words of the opcode it knows, and what is left over refuses the
// instruction: a modifier nobody looked at must not be ignored silently.
#pragma once

#include <map>
#include <optional>
#include <stdexcept>
#include <tuple>

#include "tests/sim/ptx/module.h"
#include "tests/sim/ptx/special.h"

namespace sim::ptx {

struct Refused : std::runtime_error {  // this instruction cannot run here
  using std::runtime_error::runtime_error;
};
struct Invalid : std::runtime_error {  // this is no valid PTX
  using std::runtime_error::runtime_error;
};

class Lower {
 public:
  Lower(const FunctionText& text, const Environment& environment, Code* code)
      : text_(text), env_(environment), code_(*code) {}
  void run();

  using Rule = void (Lower::*)();

 private:
  // Opcode words.
  bool take(std::string_view word);
  std::optional<Type> take_type();
  Type type();  // must be there
  Round take_round(bool integer);
  void take_memory_order(bool* fence_needed);
  Space take_space();
  std::optional<Compare> take_compare();
  Bool take_bool();
  unsigned take_vector();
  AtomOp take_atom_op();

  // Operands.
  const Operand& operand(size_t index) const;
  uint32_t source(const Operand& o, Type type);
  uint32_t source_of(const Operand& o, Type type, unsigned width);
  uint32_t destination(const Operand& o, Type type);
  uint32_t any_width(const Operand& o, Type type, unsigned* width, bool is_destination);
  uint32_t predicate(const Operand& o);
  uint32_t address(const Operand& o,
                   Inst* in);  // fills imm, width2, flag, and the space of a symbol
  uint64_t constant_bits(const Operand& o, Type type) const;
  std::optional<uint64_t> symbol_value(const Operand& o, Space* space) const;
  uint32_t constant(uint64_t low, unsigned width, uint64_t high = 0);
  uint32_t temporary(unsigned width);
  unsigned width_of(uint32_t slot) const { return slots_[slot].width; }

  Inst& emit(Op op, Type type);
  Inst& emit3(Op op, Type type, size_t sources);  // destination and sources of one type
  void rendezvous(uint32_t members);
  int fresh_label();
  void here(int label);
  void jump_over(int guard, bool negated, int label);

  // Rules, by group. lower_alu.cpp
  void mov();
  void arithmetic();
  void multiply();
  void carry();
  void logic();
  void shift();
  void counts();
  void bitfield();
  void lop3();
  void prmt();
  void shf();
  void dot();
  void fma();
  void real_unary();
  void copysign();
  void testp();
  void setp();
  void set();
  void selp();
  void slct();
  void cvt();
  // lower_memory.cpp
  void ld();
  void st();
  void atom();
  void fence();
  void cvta();
  void isspacep();
  void prefetch();
  void cp_async();
  void mapa();
  // lower_bulk.cpp
  void cp_bulk();
  void mbarrier();
  uint32_t whole_address(const Operand& o, Space space, unsigned* width);
  void texture();
  void surface_load();
  void surface_store();
  void surface(bool store);
  void texture_operands(const Operand& data, const Operand& place, Inst in);
  // lower_control.cpp
  void bra();
  void brx();
  void call();
  void ret();
  void exit();
  void trap();
  void nop();
  void yield();
  void grid_dependency();
  void barrier();
  void warp_barrier();
  void shfl();
  void vote();
  void match();
  void activemask();
  void redux();
  void elect();

  void statement(const Statement& s);
  void lower_one(const Statement& s);
  void layout();
  static const std::map<std::string_view, Rule>& rules();

  struct Slot {
    unsigned width = 0;  // bytes a lane; 0: predicate
    bool constant = false;
    uint64_t low = 0, high = 0;
    uint32_t offset = 0;
  };

  const FunctionText& text_;
  const Environment& env_;
  Code& code_;
  std::vector<Slot> slots_;
  std::map<std::tuple<uint64_t, uint64_t, unsigned>, uint32_t> constants_;
  std::vector<uint32_t> variable_at_;  // .local and .param: offset in the local area
  std::vector<size_t> labels_;
  uint32_t carry_ = kNoOperand;  // the CC register
  std::vector<std::string_view> words_;
  const Statement* now_ = nullptr;

  friend bool lower(const FunctionText&, const Environment&, Code*, std::string*);
};

}  // namespace sim::ptx
