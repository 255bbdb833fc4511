// SPDX-License-Identifier: Apache-2.0
// A loaded module: its variables with their addresses, and each kernel with everything it can call.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/ptx/inst.h"
#include "tests/sim/ptx/ptx.h"
#include "tests/sim/ptx/source.h"

namespace sim::ptx {

// Device functions are lowered once for each kernel that reaches them, because the shared variables
// they name have another offset in each kernel.
class Kernel {
 public:
  KernelInfo info;
  const Code* code = nullptr;
  std::vector<const Code*> functions;  // by index in the module; null: not reachable from here
  std::deque<Code> codes;
  size_t static_shared = 0;
  size_t dynamic_at = 0;   // where dynamic shared memory starts
  size_t stack_bytes = 0;  // local memory of a thread, calls included
  std::string refused;     // why it cannot be launched; empty: it can
};

// What a name in PTX text stands for.
struct Symbol {
  enum class Kind : uint8_t { Variable, Shared, Function } kind = Kind::Variable;
  uint64_t value = 0;  // device address, offset in shared memory, or index of the function
};

// The view of a module that lowering one kernel needs.
struct Environment {
  const ModuleText* text = nullptr;
  const std::map<std::string, Variable, std::less<>>* variables = nullptr;
  std::map<std::string, size_t, std::less<>>
      shared;  // module-level shared variables of this kernel
  std::map<std::string, int, std::less<>>
      functions;                  // name -> index of its definition, or of a head
  std::vector<size_t> shared_at;  // of the function being lowered, by variable
  std::vector<Code*> codes;       // by function index
  std::optional<Symbol> find(const std::string& name) const;
};

// Lowers one function. False: *message. Instructions that are not supported do not fail it: they
// end up in code->refused.
bool lower(const FunctionText& text, const Environment& environment, Code* code,
           std::string* message);

// Fills branch targets and meeting points (immediate post-dominators) into freshly lowered code.
// labels: label number -> index of the instruction it stands before.
void connect(Code* code, const std::vector<size_t>& labels);

// Picks the handlers: of the best copy of the core for this CPU.
Handler select_handler(const Inst& in);

const Code* function_at(const Kernel& kernel, uint64_t address);

// The text of the newest PTX image for `compute` (image.cpp); None: *text is set.
LoadError find_ptx(const void* data, int compute, std::string* text, std::string* message);

}  // namespace sim::ptx
