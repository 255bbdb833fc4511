// SPDX-License-Identifier: Apache-2.0
// Modules (code in one context), libraries (code that every context loads by itself when it needs
// it) and their kernels. A CUkernel and a CUfunction are the same object here, so either may be
// given where the other is expected.
#pragma once

#include <cuda.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/sim/driver/handles.h"
#include "tests/sim/ptx/ptx.h"

namespace sim {

struct Context;
struct Library;
struct Function;

struct Module {
  ~Module();

  Context* context = nullptr;
  Library* library = nullptr;  // that it is an instance of; null: an ordinary module
  std::unique_ptr<ptx::Module> code;
  std::vector<CUdeviceptr> variables;
  std::map<std::string, std::shared_ptr<Function>> functions;  // those asked for
};

struct Library {
  std::string image;
  std::map<Context*, std::shared_ptr<Module>> instances;
  std::map<std::string, std::shared_ptr<Function>> kernels;
};

// What cuFuncSetAttribute can change, and the state that the launch calls of CUDA 1 accumulate.
struct Function {
  std::string name;
  std::weak_ptr<Module> module;  // one of the two
  std::weak_ptr<Library> library;
  std::map<CUfunction_attribute, int> attributes;
  ptx::Dim block;
  unsigned shared_bytes = 0;
  std::vector<std::byte> parameters;
};

// A kernel that can be run in one context; keeps its code alive.
struct LoadedKernel {
  std::shared_ptr<Function> function;
  std::shared_ptr<Module> module;
  const ptx::Kernel* kernel = nullptr;
  const ptx::KernelInfo& info() const { return ptx::info(*kernel); }
};

// INVALID_HANDLE for what is not a kernel, or belongs to another context. Loads a library's code
// into the context when that is its first use there.
CUresult find_kernel(CUfunction handle, Context* context, LoadedKernel* out);
int function_attribute(const LoadedKernel& kernel, CUfunction_attribute attribute);  // known ones
void forget_modules(Context* context);

// Shared by the files of modules.
std::recursive_mutex& modules_mutex();
Handles<Module, CUmodule>& modules();
Handles<Library, CUlibrary>& libraries();
Handles<Function, CUfunction>& functions();
// The bytes of an image of any kind, copied; empty: not an image.
std::string copy_image(const void* image);
CUresult load_image(Context* context, const std::string& image, std::shared_ptr<Module>* out,
                    std::string* message);
CUresult read_image(const char* path, std::string* image);
CUresult library_instance(Library& library, Context* context, std::shared_ptr<Module>* out);
// The JIT log buffers among the options get `message`.
void write_log(unsigned count, const CUjit_option* options, void** values,
               const std::string& message);

}  // namespace sim
