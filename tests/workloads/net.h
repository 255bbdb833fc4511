// SPDX-License-Identifier: Apache-2.0
// A neural network in training, as frameworks with a tape of gradients run it: an operation runs
// its kernels and leaves on the tape what its backward pass will do, with the tensors that needs.
// Those are freed as the tape is played back. Activations, weights and gradients are of bf16.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "tests/workloads/job.h"

namespace workloads {

inline constexpr uint64_t kElement = 2;  // bytes of a bf16
inline constexpr uint64_t kFloat = 4;    // and of an fp32

// The gradient is made when the backward pass comes to it, or there is no place for one.
struct Variable {
  uint64_t elements = 0;
  Tensor value;
  std::shared_ptr<Tensor> gradient;
};

// A weight of in x out, with what the optimizer keeps beside it, in fp32.
struct Parameter {
  uint64_t in = 0, out = 0;
  Tensor weight, master;
  std::vector<Tensor> moments;
  Tensor gradient;
};

enum class Optimizer : uint8_t {
  None,      // the weights alone, for inference
  Momentum,  // of stochastic gradient descent: one moment
  Adam,      // two
};

class Net {
 public:
  Net(Job& job, Optimizer optimizer) : job_(job), optimizer_(optimizer) {}

  Job& job() { return job_; }
  Parameter& parameter(uint64_t in, uint64_t out);
  Variable input(uint64_t elements);  // from the host, without a gradient
  Variable variable(uint64_t elements);

  // x in `rows` rows times w. `kernel` is also the name of what gives x and w their gradients.
  Variable product(std::string_view kernel, const Variable& x, Parameter& w, uint64_t rows);
  // The same of two inputs side by side.
  Variable product(std::string_view kernel, const Variable& x, const Variable& y, Parameter& w,
                   uint64_t rows);
  Variable linear(const Variable& x, Parameter& w) {
    return product("linear", x, w, x.elements / w.in);
  }
  // One result for one input or, of a pooling, for several; its gradient needs the input.
  Variable map(std::string_view kernel, const Variable& x, uint64_t elements);
  Variable map(std::string_view kernel, const Variable& x) { return map(kernel, x, x.elements); }
  Variable relu(const Variable& x);                     // in place
  Variable add(const Variable& x, const Variable& to);  // in place of `to`
  Variable concatenate(const Variable& x, const Variable& y);
  Variable lookup(Parameter& table, uint64_t rows);
  void loss(const Variable& x);  // in place: x becomes its own gradient

  // Keeps x alone, and runs `block` once more when the backward pass comes to it.
  Variable checkpoint(const Variable& x, std::function<Variable(const Variable&)> block);
  // Runs `block` without a tape.
  void without_gradients(const std::function<void()>& block);

  void backward();
  void step();  // of the optimizer, parameter by parameter; then gradients are freed

  // For operations of a kind of their own: what their backward pass does, and how it gives a
  // gradient; the first to come makes it, and others add to it.
  using Step = std::function<void()>;
  void record(Step step);
  Access gradient(const Variable& x);
  // A matrix product, or convolution, which is given memory to work in.
  void multiply(std::string_view kernel, double flops, std::vector<Access> accesses);

 private:
  Access gradient(Parameter& w);
  void play_back();

  Job& job_;
  const Optimizer optimizer_;
  std::deque<Parameter> parameters_;
  std::vector<Step> tape_;
  bool recording_ = true;
};

}  // namespace workloads
