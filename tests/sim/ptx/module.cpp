// SPDX-License-Identifier: Apache-2.0
// Loading: variables get addresses and first values, kernels are lowered with all they can call.
#include "tests/sim/ptx/module.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

#include "tests/sim/ptx/fault.h"
#include "tests/sim/ptx/special.h"

namespace sim::ptx {

std::optional<Symbol> Environment::find(const std::string& name) const {
  if (auto v = variables->find(name); v != variables->end())
    return Symbol{Symbol::Kind::Variable, v->second.address};
  if (auto s = shared.find(name); s != shared.end()) return Symbol{Symbol::Kind::Shared, s->second};
  if (auto f = functions.find(name); f != functions.end())
    return Symbol{Symbol::Kind::Function, static_cast<uint64_t>(f->second)};
  return std::nullopt;
}

const Code* function_at(const Kernel& kernel, uint64_t address) {
  const uint64_t offset = address - kCodeWindow;
  if (offset % 16 || offset / 16 >= kernel.functions.size()) return nullptr;
  return kernel.functions[offset / 16];
}

const KernelInfo& info(const Kernel& kernel) {
  return kernel.info;
}

namespace {

size_t align_up(size_t value, size_t align) {
  return (value + align - 1) & ~(align - 1);
}

class Loaded : public Module {
 public:
  LoadError load(std::string text, const Window& window, const Allocate& allocate,
                 std::string* message) {
    source_ = std::move(text);
    if (!parse(source_, &text_, message)) return LoadError::Syntax;
    for (size_t i = 0; i < text_.functions.size(); ++i) {
      auto [at, fresh] = index_.try_emplace(text_.functions[i].name, static_cast<int>(i));
      if (!fresh && text_.functions[i].defined) at->second = static_cast<int>(i);
    }
    for (const auto& [name, target] : text_.aliases) {
      if (auto found = index_.find(target); found != index_.end()) index_[name] = found->second;
    }
    if (LoadError error = place_variables(window, allocate, message); error != LoadError::None)
      return error;
    for (const FunctionText& f : text_.functions) {
      if (!f.entry || !f.defined) continue;
      if (!build(f, message)) return LoadError::Syntax;
    }
    return LoadError::None;
  }

  const Kernel* kernel(std::string_view name) const override {
    auto found = kernels_.find(name);
    return found == kernels_.end() ? nullptr : found->second.get();
  }
  std::vector<const Kernel*> kernels() const override {
    std::vector<const Kernel*> all;
    for (const auto& [name, kernel] : kernels_) all.push_back(kernel.get());
    return all;
  }
  const Variable* variable(std::string_view name) const override {
    auto found = variables_.find(name);
    return found == variables_.end() ? nullptr : &found->second;
  }

 private:
  LoadError place_variables(const Window& window, const Allocate& allocate, std::string* message);
  bool store(const VariableText& v, const Window& window, uint64_t address, std::string* message);
  bool build(const FunctionText& entry, std::string* message);
  std::vector<int> reachable(int entry) const;

  std::string source_;
  ModuleText text_;
  std::map<std::string, Variable, std::less<>> variables_;
  std::map<std::string, int, std::less<>> index_;
  std::map<std::string, std::unique_ptr<Kernel>, std::less<>> kernels_;
};

LoadError Loaded::place_variables(const Window& window, const Allocate& allocate,
                                  std::string* message) {
  for (const VariableText& v : text_.variables) {
    if (v.space != Space::Global && v.space != Space::Const) continue;
    if (v.external && v.initial.empty() && variables_.count(v.name)) continue;
    Variable& out = variables_[v.name];
    if (out.address) continue;
    out = {v.name, v.size(), v.align, 0};
    out.address = allocate(std::max<size_t>(v.size(), 1), v.align);
    if (!out.address) {
      *message = fmt::format("no memory for variable {} ({} bytes)", v.name, v.size());
      return LoadError::OutOfMemory;
    }
  }
  for (const VariableText& v : text_.variables) {
    if (v.space != Space::Global && v.space != Space::Const) continue;
    if (!store(v, window, variables_[v.name].address, message)) return LoadError::Syntax;
  }
  return LoadError::None;
}

// The bits of a number in a variable of this type: 1, 1.0 and 0f3F800000 are all good for any
// float.
uint64_t bits_for(Type type, const Initial& init) {
  if (type != Type::F32 && type != Type::F64) return init.value;
  const double value = init.single ? double{std::bit_cast<float>(static_cast<uint32_t>(init.value))}
                       : init.real ? std::bit_cast<double>(init.value)
                                   : static_cast<double>(static_cast<int64_t>(init.value));
  if (type == Type::F64) return std::bit_cast<uint64_t>(value);
  if (init.single) return init.value;  // a signalling NaN stays one
  return std::bit_cast<uint32_t>(static_cast<float>(value));
}

bool Loaded::store(const VariableText& v, const Window& window, uint64_t address,
                   std::string* message) {
  if (v.external && v.initial.empty()) return true;
  std::vector<char> image(v.size());
  const size_t step = bytes(v.type);
  for (size_t i = 0; i < v.initial.size() && !v.opaque; ++i) {
    const Initial& init = v.initial[i];
    uint64_t value = bits_for(v.type, init);
    if (!init.symbol.empty()) {
      if (auto other = variables_.find(init.symbol); other != variables_.end()) {
        value += other->second.address;
      } else if (auto f = index_.find(init.symbol); f != index_.end()) {
        value += kCodeWindow + static_cast<uint64_t>(f->second) * 16;
      } else {
        *message = fmt::format("line {}: {}: unknown name {}", v.line, v.name, init.symbol);
        return false;
      }
      if (init.mask != ~uint64_t{0})
        value = init.mask ? (value & init.mask) >> std::countr_zero(init.mask) : 0;
    }
    std::memcpy(image.data() + i * step, &value, std::min<size_t>(step, 8));
  }
  if (!image.empty()) std::memcpy(window.host(address), image.data(), image.size());
  return true;
}

// The functions a kernel can reach: those it names, and, where one is called through a pointer, all
// whose address is taken anywhere.
std::vector<int> Loaded::reachable(int entry) const {
  std::set<int> address_taken;
  for (const VariableText& v : text_.variables) {
    for (const Initial& init : v.initial) {
      if (auto f = index_.find(init.symbol); f != index_.end()) address_taken.insert(f->second);
    }
  }
  std::vector<int> todo = {entry};
  std::set<int> seen = {entry};
  bool all_taken = false;
  auto add = [&](int f) {
    if (seen.insert(f).second) todo.push_back(f);
  };
  for (size_t i = 0; i < todo.size(); ++i) {
    for (const Statement& s : text_.functions[static_cast<size_t>(todo[i])].body) {
      for (const Operand& o : s.operands) {
        if (o.kind == Operand::Kind::Symbol && o.local < 0) {
          if (auto f = index_.find(o.name); f != index_.end()) add(f->second);
        }
        const bool pointer =
            !s.opcode.empty() && s.opcode[0] == "call" && o.kind == Operand::Kind::Register;
        if (pointer && !all_taken) {
          all_taken = true;
          for (int f : address_taken) add(f);
        }
      }
    }
  }
  return todo;
}

// Deepest use of the local area below `code`; recursion is cut, and noted.
size_t depth_of(Code* code, std::vector<const Code*>* path) {
  if (std::find(path->begin(), path->end(), code) != path->end()) {
    code->recursive = true;
    return 0;
  }
  path->push_back(code);
  size_t below = 0;
  for (const CallSite& site : code->calls) {
    if (site.callee) {
      auto* callee = const_cast<Code*>(site.callee);
      below = std::max(below, depth_of(callee, path));
      code->recursive |= callee->recursive;
    } else if (site.builtin < 0) {
      code->recursive = true;  // through a pointer: unknown
    }
  }
  path->pop_back();
  return code->local_bytes + below;
}

bool Loaded::build(const FunctionText& entry, std::string* message) {
  auto kernel = std::make_unique<Kernel>();
  Kernel& k = *kernel;
  k.info.name = entry.name;
  k.functions.resize(text_.functions.size());
  Environment env;
  env.text = &text_;
  env.variables = &variables_;
  env.functions = index_;
  env.codes.resize(text_.functions.size());
  const std::vector<int> reach = reachable(index_.find(entry.name)->second);

  // Shared memory: what the kernel and its callees declare or name; extern arrays start behind it.
  std::set<std::string_view> named;
  for (int f : reach) {
    for (const Statement& s : text_.functions[static_cast<size_t>(f)].body) {
      auto note = [&](auto&& self, const Operand& o) -> void {
        if (o.local < 0 && !o.name.empty()) named.insert(o.name);
        for (const Operand& inner : o.list) self(self, inner);
      };
      for (const Operand& o : s.operands) note(note, o);
    }
  }
  size_t shared = 0;
  auto place = [&](const VariableText& v) {
    shared = align_up(shared, v.align);
    const size_t at = shared;
    shared += v.size();
    return at;
  };
  std::vector<std::vector<size_t>> inside(text_.functions.size());
  for (const VariableText& v : text_.variables) {
    if (v.space == Space::Shared && v.size() && named.count(v.name)) env.shared[v.name] = place(v);
  }
  for (int f : reach) {
    for (const VariableText& v : text_.functions[static_cast<size_t>(f)].variables)
      inside[static_cast<size_t>(f)].push_back(v.space == Space::Shared && v.size() ? place(v) : 0);
  }
  k.static_shared = k.info.static_shared_bytes = shared;
  size_t dynamic_align = 16;
  for (const VariableText& v : text_.variables) {
    if (v.space == Space::Shared && !v.size() && named.count(v.name))
      dynamic_align = std::max(dynamic_align, v.align);
  }
  const size_t dynamic = align_up(shared, dynamic_align);
  k.dynamic_at = dynamic;
  for (const VariableText& v : text_.variables) {
    if (v.space == Space::Shared && !v.size()) env.shared[v.name] = dynamic;
  }
  for (int f : reach) {
    const auto& variables = text_.functions[static_cast<size_t>(f)].variables;
    for (size_t i = 0; i < variables.size(); ++i) {
      if (variables[i].space == Space::Shared && !variables[i].size())
        inside[static_cast<size_t>(f)][i] = dynamic;
    }
  }

  for (int f : reach) {
    if (!text_.functions[static_cast<size_t>(f)].defined) continue;
    k.codes.emplace_back();
    env.codes[static_cast<size_t>(f)] = &k.codes.back();
    k.functions[static_cast<size_t>(f)] = &k.codes.back();
  }
  for (int f : reach) {
    Code* code = env.codes[static_cast<size_t>(f)];
    if (!code) continue;
    env.shared_at = inside[static_cast<size_t>(f)];
    if (!lower(text_.functions[static_cast<size_t>(f)], env, code, message)) return false;
    if (k.refused.empty() && !code->refused.empty()) {
      k.refused = code->refused;
      if (!code->entry) k.refused = entry.name + " calls " + k.refused;
    }
  }
  k.code = &k.codes.front();
  std::vector<const Code*> path;
  const size_t stack = depth_of(&k.codes.front(), &path);
  const bool open_ended = k.codes.front().recursive;
  constexpr size_t kStack = 64 << 10;  // for recursion and calls through pointers
  k.stack_bytes = align_up(open_ended ? stack + kStack : stack, 16);
  k.info.local_bytes = k.codes.front().local_bytes;

  size_t at = 0;
  for (const VariableText& v : entry.signature.params) {
    at = align_up(at, v.align);
    k.info.params.push_back({at, v.size()});
    at += v.size();
  }
  k.info.param_bytes = at;
  if (entry.max_threads) k.info.max_threads = std::min(entry.max_threads, 1024u);
  unsigned words = 0;
  for (const RegisterText& r : entry.registers) words += bits(r.type) >= 64 ? 2 : 1;
  k.info.registers = std::clamp(words / 4 + 8, 16u, 255u);  // virtual registers outnumber real ones
  kernels_[entry.name] = std::move(kernel);
  return true;
}

}  // namespace

std::unique_ptr<Module> Module::load(const void* data, int compute, const Window& window,
                                     const Allocate& allocate, LoadError* error,
                                     std::string* message) {
  std::string text;
  *error = find_ptx(data, compute, &text, message);
  if (*error != LoadError::None) return nullptr;
  auto module = std::make_unique<Loaded>();
  *error = module->load(std::move(text), window, allocate, message);
  if (*error != LoadError::None) return nullptr;
  return module;
}

}  // namespace sim::ptx
