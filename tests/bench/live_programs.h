// SPDX-License-Identifier: Apache-2.0
// The programs that bench_live runs, and what is known of their kernels.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

struct KernelFact {
  std::string_view name;  // as a person writes it
  double microseconds;    // for a unit of 1; 0: as the simulator models it
  // A letter for each allocation that its arguments name and that is large enough to be served: w
  // is overwritten as a whole, x is changed, r is read. Where it has several forms, `|` between
  // them: their numbers differ.
  std::string_view modes;
};

struct LiveProgram {
  std::string name;
  std::vector<std::string> command;  // the first is a file of build/programs
  double unit = 1;
  std::span<const KernelFact> kernels;

  // Throws std::runtime_error: nobody has said how that kernel uses so many allocations.
  const KernelFact& fact(std::string_view kernel) const;
  char mode(std::string_view kernel, size_t place, size_t count) const;
  // For SIMCUDA_KERNEL_TIMES: a line for each kernel.
  std::string kernel_times() const;
};

std::span<const LiveProgram> live_programs();

}  // namespace bench
