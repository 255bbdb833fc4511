// SPDX-License-Identifier: Apache-2.0
// PTX as a library: images in, kernels out, launches executed a warp at a time on the host.
// Knows nothing of streams, contexts or the driver; tests/sim/driver builds on it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sim::ptx {

struct Param {
  size_t offset = 0;  // in the device-side parameter block
  size_t size = 0;
};

// Resources as cuFuncGetAttribute reports them, and what a launch needs.
class Kernel;

struct KernelInfo {
  std::string name;
  std::vector<Param> params;
  size_t param_bytes = 0;
  size_t static_shared_bytes = 0;
  size_t local_bytes = 0;       // per thread
  unsigned registers = 0;       // per thread, an estimate
  unsigned max_threads = 1024;  // .maxntid / .reqntid
};

struct Variable {  // .global, .const, .managed
  std::string name;
  size_t size = 0;
  size_t align = 0;
  uint64_t address = 0;  // device address, from the Allocate callback
};

// Module-scope variables live in device memory that the caller provides (kept until the Module
// dies). Returns the device address of `size` writable bytes, or 0 for out of memory.
using Allocate = std::function<uint64_t(size_t size, size_t align)>;

// How device addresses become host pointers: an address in [base, base + size) is read at
// address + delta, every other address as it is (pinned host memory, whose host and device address
// are one). Device addresses dereferenced by host code therefore fault, as on hardware.
struct Window {
  uint64_t base = 0;
  uint64_t size = 0;
  int64_t delta = 0;
  // For each 2 MiB of the window: not 0 where the bytes are in host memory, so that touching them
  // crosses the link. Null: nowhere. Memory outside the window is always the host's.
  const std::atomic<uint8_t>* on_host = nullptr;
  void* host(uint64_t address) const {
    return reinterpret_cast<void*>(address - base < size ? address + delta : address);
  }
};

enum class LoadError { None, NotAnImage, NoImageForDevice, Syntax, Unsupported, OutOfMemory };

class Module {
 public:
  // data: PTX text (zero-terminated), a fatbin container, or the 24-byte fatbin wrapper (magic
  // 0x466243B1). compute: e.g. 90 for sm_90; the newest PTX <= it is taken. On failure null, with
  // the reason in `message` (for PTX: line, instruction, kernel).
  static std::unique_ptr<Module> load(const void* data, int compute, const Window& window,
                                      const Allocate& allocate, LoadError* error,
                                      std::string* message);
  virtual ~Module() = default;
  virtual const Kernel* kernel(std::string_view name) const = 0;  // null: no such entry
  virtual std::vector<const Kernel*> kernels() const = 0;
  virtual const Variable* variable(std::string_view name) const = 0;
};

const KernelInfo& info(const Kernel& kernel);

struct Dim {
  unsigned x = 1, y = 1, z = 1;
};

struct Launch {
  Dim grid, block;
  size_t dynamic_shared_bytes = 0;
  const void* params = nullptr;  // the device-side parameter block, KernelInfo::param_bytes long
  bool cooperative = false;      // grid-wide barrier allowed: all blocks are kept alive together
  uint64_t clock_ns = 0;         // what %globaltimer starts at
};

struct Counts {  // of threads, not warps: what the virtual clock is computed from
  uint64_t instructions = 0;
  uint64_t bytes_loaded = 0;  // global space only
  uint64_t bytes_stored = 0;
  // Of those, what crosses the link: each word once when all lanes of a warp touch the same one.
  uint64_t link_loaded = 0;
  uint64_t link_stored = 0;
};

enum class Outcome {
  Ok,
  IllegalAddress,      // message and `address` say where
  IllegalInstruction,  // met at run time: not implemented
  Trap,                // trap; or a failed device assert
  Misaligned,
  BarrierError,  // threads that can never meet
};

struct Result {
  Outcome outcome = Outcome::Ok;
  uint64_t address = 0;  // device address of the fault
  std::string message;   // kernel, instruction, line
  Counts counts;
};

// Runs a whole grid on the calling thread. Thread-safe: any number of launches of any kernels at
// once. A fault (SIGSEGV/SIGBUS on an unmapped or protected address) ends the grid and is reported,
// never raised: see fault.h. Bytes written until then stay written.
Result run(const Kernel& kernel, const Launch& launch, const Window& window);

}  // namespace sim::ptx
