// SPDX-License-Identifier: Apache-2.0
// What the generators are written with: tensors by name of their use, kernels by their flops.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "policy/workload.h"

namespace workloads {

using spillway::policy::Mode;
using spillway::policy::Use;

inline constexpr double kFlopsPerNs = 600e12 / 1e9;
inline constexpr double kBytesPerNs = 4.0e12 / 1e9;
inline constexpr double kLeastNs = 3'000;
inline constexpr uint64_t kLeastTensor = 2 << 20;

class Maker {
 public:
  explicit Maker(std::string name) : writer_(std::move(name)) {}

  // A tensor; smaller ones are none, and no kernel names them.
  static constexpr uint32_t kNone = ~0u;
  uint32_t tensor(double bytes) {
    if (bytes < kLeastTensor) return kNone;
    sizes_.push_back(static_cast<uint64_t>(bytes));
    return writer_.allocate(sizes_.back());
  }
  void free(uint32_t tensor) {
    if (tensor != kNone) writer_.free(tensor);
  }
  void iteration() { writer_.iteration(); }

  struct Operand {
    uint32_t tensor;
    Mode mode;
  };
  static Operand r(uint32_t tensor) { return {tensor, Mode::Read}; }
  static Operand w(uint32_t tensor) { return {tensor, Mode::Write}; }
  static Operand rw(uint32_t tensor) { return {tensor, Mode::ReadWrite}; }

  void kernel(std::string_view name, double flops, std::initializer_list<Operand> operands) {
    std::vector<Use> uses;
    double bytes = 0;
    for (const Operand& operand : operands) {
      if (operand.tensor == kNone) continue;
      uses.push_back({operand.tensor, operand.mode});
      bytes +=
          static_cast<double>(sizes_[operand.tensor]) * (operand.mode == Mode::ReadWrite ? 2 : 1);
    }
    const double ns = std::max(flops / kFlopsPerNs, bytes / kBytesPerNs) + kLeastNs;
    writer_.kernel(name, static_cast<uint64_t>(ns), uses);
  }
  spillway::policy::Workload take() { return writer_.take(); }

 private:
  spillway::policy::WorkloadWriter writer_;
  std::vector<uint64_t> sizes_;
};

// A weight in mixed precision: two bytes to compute with, and twelve that only the optimizer sees
// (master copy and two moments of Adam).
struct Weight {
  uint32_t half = Maker::kNone, full = Maker::kNone, gradient = Maker::kNone;
  double elements = 0;

  static Weight make(Maker& maker, double elements) {
    return {maker.tensor(2 * elements), maker.tensor(12 * elements), Maker::kNone, elements};
  }
  void begin_gradient(Maker& maker) {
    if (gradient == Maker::kNone) gradient = maker.tensor(2 * elements);
  }
  void step(Maker& maker) {
    maker.kernel("adam", 10 * elements, {Maker::w(half), Maker::rw(full), Maker::r(gradient)});
    maker.free(gradient);
    gradient = Maker::kNone;
  }
};

}  // namespace workloads
