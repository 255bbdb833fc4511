// SPDX-License-Identifier: Apache-2.0
// Speed of the interpreter: `ptx: matmul=<M instr/s> saxpy=<M instr/s>`, thread instructions a
// second of CPU time on one core, median of seven runs.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/sim/ptx/ptx.h"

namespace {

using namespace sim::ptx;

double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

template <class... A>
double rate(const Module& module, const char* name, Dim grid, Dim block, const A&... arguments) {
  const Kernel& kernel = *module.kernel(name);
  std::vector<char> params(info(kernel).param_bytes);
  size_t index = 0;
  auto add = [&](const auto& a) {
    std::memcpy(params.data() + info(kernel).params[index++].offset, &a, sizeof a);
  };
  (add(arguments), ...);
  Launch launch;
  launch.grid = grid;
  launch.block = block;
  launch.params = params.data();
  std::vector<double> rates;
  for (int i = 0; i < 7; ++i) {
    const double start = cpu_seconds();
    const Result result = run(kernel, launch, Window{});
    if (result.outcome != Outcome::Ok) {
      std::fprintf(stderr, "%s\n", result.message.c_str());
      std::exit(1);
    }
    rates.push_back(static_cast<double>(result.counts.instructions) / (cpu_seconds() - start) *
                    1e-6);
  }
  std::nth_element(rates.begin(), rates.begin() + 3, rates.end());
  return rates[3];
}

}  // namespace

int main() {
  std::ifstream file(PTX_KERNELS "/basic.ptx");
  std::stringstream text;
  text << file.rdbuf();
  LoadError error;
  std::string message;
  std::vector<std::vector<char>> memory;
  auto allocate = [&](size_t size, size_t align) {
    memory.emplace_back(size + align);
    const auto at = reinterpret_cast<uint64_t>(memory.back().data());
    return (at + align - 1) & ~(uint64_t{align} - 1);
  };
  auto module = Module::load(text.str().c_str(), 90, Window{}, allocate, &error, &message);
  if (!module) {
    std::fprintf(stderr, "%s\n", message.c_str());
    return 1;
  }
  const int n = 256, many = 1 << 20;
  std::vector<float> a(n * n, 0.5f), b(n * n, 0.25f), c(n * n), x(many, 1.0f), y(many, 2.0f);
  const double matmul =
      rate(*module, "matmul", {n / 32, n / 32}, {32, 32}, a.data(), b.data(), c.data(), n);
  const double saxpy = rate(*module, "saxpy", {many / 256}, {256}, 2.0f, x.data(), y.data(), many);
  std::printf("ptx: matmul=%.0f saxpy=%.0f\n", matmul, saxpy);
}
