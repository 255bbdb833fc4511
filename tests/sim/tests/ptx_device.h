// SPDX-License-Identifier: Apache-2.0
// A device made by hand for tests of the PTX library: a window of device addresses with memory
// behind it, launches with ordinary C++ arguments, and kernels around a single instruction.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/sim/ptx/ptx.h"

namespace sim::ptx::test {

class Device {
 public:
  static constexpr size_t kSize = size_t{1} << 28;

  Device() {
    // Device addresses are reserved but never accessible; the memory is somewhere else.
    base_ = map(PROT_NONE);
    memory_ = map(PROT_READ | PROT_WRITE);
    window_.base = reinterpret_cast<uint64_t>(base_);
    window_.size = kSize;
    window_.delta = memory_ - base_;
  }
  ~Device() {
    munmap(base_, kSize);
    munmap(memory_, kSize);
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Window& window() const { return window_; }

  uint64_t allocate(size_t bytes, size_t align = 256) {
    used_ = (used_ + align - 1) & ~(align - 1);
    const uint64_t address = window_.base + used_;
    used_ += bytes;
    return used_ <= kSize ? address : 0;
  }
  Allocate allocator() {
    return [this](size_t bytes, size_t align) { return allocate(bytes, align); };
  }

  template <class T>
  uint64_t put(const std::vector<T>& values) {
    const uint64_t address = allocate(values.size() * sizeof(T));
    std::memcpy(window_.host(address), values.data(), values.size() * sizeof(T));
    return address;
  }
  template <class T>
  std::vector<T> get(uint64_t address, size_t count) {
    std::vector<T> values(count);
    std::memcpy(values.data(), window_.host(address), count * sizeof(T));
    return values;
  }

  std::unique_ptr<Module> load(const std::string& image, int compute = 90) {
    LoadError error;
    std::string message;
    auto module = Module::load(image.data(), compute, window_, allocator(), &error, &message);
    EXPECT_TRUE(module) << message;
    return module;
  }
  std::unique_ptr<Module> load_file(const std::string& name, int compute = 90) {
    return load(file(name), compute);
  }
  static std::string file(const std::string& name) {
    std::ifstream in(std::string(PTX_KERNELS) + "/" + name, std::ios::binary);
    EXPECT_TRUE(in) << name;
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }

  template <class... A>
  Result launch(const Module& module, const char* name, Launch launch, const A&... arguments) {
    const Kernel* kernel = module.kernel(name);
    if (!kernel) throw std::runtime_error(std::string("no kernel ") + name);
    const KernelInfo& k = info(*kernel);
    std::vector<char> block(k.param_bytes + 1);
    size_t index = 0;
    auto add = [&](const auto& a) {
      if (index >= k.params.size() || k.params[index].size != sizeof a)
        throw std::runtime_error("parameters do not fit");
      std::memcpy(block.data() + k.params[index++].offset, &a, sizeof a);
    };
    (add(arguments), ...);
    if (index != k.params.size()) throw std::runtime_error("parameters do not fit");
    launch.params = block.data();
    return run(*kernel, launch, window_);
  }

 private:
  static char* map(int protection) {
    void* p = mmap(nullptr, kSize, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::runtime_error("mmap");
    return static_cast<char*>(p);
  }

  char* base_;
  char* memory_;
  size_t used_ = 4096;
  Window window_;
};

inline Launch grid(Dim blocks, Dim threads, size_t shared = 0) {
  Launch launch;
  launch.grid = blocks;
  launch.block = threads;
  launch.dynamic_shared_bytes = shared;
  return launch;
}

inline constexpr char kHead[] = ".version 8.5\n.target sm_90\n.address_size 64\n";

// Runs `body` in each of n threads. In the body %r0.. (b32), %rd0.. (b64), %f0.., %d0.., %h0..
// (b16), %p0.. are registers; %rdI is the address of this thread's In (filled from `in`), %rdO of
// its Out.
template <class Out, class In>
std::vector<Out> each(const std::string& body, const std::vector<In>& in,
                      Result* result = nullptr) {
  Device device;
  std::ostringstream text;
  text << kHead << ".visible .entry k(.param .u64 i, .param .u64 o) {\n"
       << ".reg .b32 %r<40>; .reg .b64 %rd<40>; .reg .f32 %f<40>; .reg .f64 %d<40>;\n"
       << ".reg .b16 %h<40>; .reg .pred %p<20>; .reg .b32 %t<4>; .reg .b64 %rdI, %rdO; .reg .b128 "
          "%q<4>;\n"
       << "mov.u32 %t0, %tid.x; mov.u32 %t1, %ctaid.x; mad.lo.u32 %t0, %t1, 128, %t0;\n"
       << "ld.param.u64 %rdI, [i]; ld.param.u64 %rdO, [o];\n"
       << "setp.ge.u32 %p19, %t0, " << in.size() << ";\n@%p19 bra END;\n"
       << "mad.wide.u32 %rdI, %t0, " << sizeof(In) << ", %rdI;\n"
       << "mad.wide.u32 %rdO, %t0, " << sizeof(Out) << ", %rdO;\n"
       << body << "\nEND: ret;\n}\n";
  auto module = device.load(text.str());
  if (!module) return {};
  const uint64_t i = device.put(in), o = device.put(std::vector<Out>(in.size()));
  Result r = device.launch(*module, "k",
                           grid({static_cast<unsigned>((in.size() + 127) / 128)}, {128}), i, o);
  if (result) {
    *result = r;
  } else {
    EXPECT_EQ(r.outcome, Outcome::Ok) << r.message;
  }
  return device.get<Out>(o, in.size());
}

}  // namespace sim::ptx::test
