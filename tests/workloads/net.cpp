// SPDX-License-Identifier: Apache-2.0
#include "tests/workloads/net.h"

#include <string>
#include <utility>

namespace workloads {
namespace {

// What cuBLAS takes for itself on Hopper, by its documentation.
constexpr uint64_t kWorkspace = 32 * kMiB;

}  // namespace

Parameter& Net::parameter(uint64_t in, uint64_t out) {
  Parameter& made = parameters_.emplace_back();
  made.in = in;
  made.out = out;
  made.weight = job_.filled(in * out * kElement);
  if (optimizer_ == Optimizer::None) return made;
  made.master = job_.filled(in * out * kFloat);
  made.moments.push_back(job_.filled(in * out * kFloat));
  if (optimizer_ == Optimizer::Adam) made.moments.push_back(job_.filled(in * out * kFloat));
  return made;
}

Variable Net::input(uint64_t elements) {
  return {elements, job_.filled(elements * kElement), nullptr};
}

Variable Net::variable(uint64_t elements) {
  return {elements, job_.make(elements * kElement), std::make_shared<Tensor>()};
}

void Net::record(Step step) {
  if (recording_) tape_.push_back(std::move(step));
}

Access Net::gradient(const Variable& x) {
  if (!x.gradient) return write(nullptr);
  if (*x.gradient) return update(*x.gradient);
  *x.gradient = job_.make(x.elements * kElement);
  return write(*x.gradient);
}

Access Net::gradient(Parameter& w) {
  if (w.gradient) return update(w.gradient);
  w.gradient = job_.make(w.in * w.out * kElement);
  return write(w.gradient);
}

void Net::multiply(std::string_view kernel, double flops, std::vector<Access> accesses) {
  accesses.push_back(write(job_.make(kWorkspace)));
  job_.run(kernel, flops, accesses);
}

Variable Net::product(std::string_view kernel, const Variable& x, const Variable& y, Parameter& w,
                      uint64_t rows) {
  Variable result = variable(rows * w.out);
  const double flops = 2.0 * static_cast<double>(rows * w.in) * static_cast<double>(w.out);
  multiply(kernel, flops, {read(x.value), read(y.value), read(w.weight), write(result.value)});
  record([this, name = std::string(kernel), flops, x, y, &w, from = result.gradient] {
    if (x.gradient || y.gradient)
      multiply(name + "_dgrad", flops, {read(*from), read(w.weight), gradient(x), gradient(y)});
    multiply(name + "_wgrad", flops, {read(*from), read(x.value), read(y.value), gradient(w)});
  });
  return result;
}

Variable Net::product(std::string_view kernel, const Variable& x, Parameter& w, uint64_t rows) {
  return product(kernel, x, {}, w, rows);
}

Variable Net::map(std::string_view kernel, const Variable& x, uint64_t elements) {
  Variable result = variable(elements);
  job_.run(kernel, 0, {read(x.value), write(result.value)});
  record([this, name = std::string(kernel), x, from = result.gradient] {
    job_.run(name + "_backward", 0, {read(*from), read(x.value), gradient(x)});
  });
  return result;
}

Variable Net::relu(const Variable& x) {
  const Variable result{x.elements, x.value, std::make_shared<Tensor>()};
  job_.run("relu", 0, {update(x.value)});
  record([this, result, to = x.gradient] {
    job_.run("relu_backward", 0, {read(result.value), update(*result.gradient)});
    *to = *result.gradient;
  });
  return result;
}

Variable Net::add(const Variable& x, const Variable& to) {
  const Variable result{to.elements, to.value, std::make_shared<Tensor>()};
  job_.run("add", 0, {read(x.value), update(to.value)});
  // The gradient of a sum is that of both.
  record([this, one = x.gradient, other = to.gradient, from = result.gradient] {
    *other = *from;
    if (!*one) {
      *one = *from;
    } else {
      job_.run("add", 0, {read(*from), update(*one)});
    }
  });
  return result;
}

Variable Net::concatenate(const Variable& x, const Variable& y) {
  Variable result = variable(x.elements + y.elements);
  job_.run("concatenate", 0, {read(x.value), read(y.value), write(result.value)});
  record([this, x = Variable{x.elements, nullptr, x.gradient},
          y = Variable{y.elements, nullptr, y.gradient}, from = result.gradient] {
    job_.run("split", 0, {read(*from), gradient(x), gradient(y)});
  });
  return result;
}

Variable Net::lookup(Parameter& table, uint64_t rows) {
  Variable result = variable(rows * table.in);
  const uint64_t bytes = result.elements * kElement;
  job_.run("lookup", 0, {read(table.weight, bytes), write(result.value)});
  record([this, &table, bytes, from = result.gradient] {
    Access to = gradient(table);
    if (to.mode == spillway::policy::Mode::ReadWrite) to.bytes = bytes;
    job_.run("lookup_backward", 0, {read(*from), std::move(to)});
  });
  return result;
}

void Net::loss(const Variable& x) {
  job_.run("loss", 0, {update(x.value)});
  record([x] { *x.gradient = x.value; });
}

Variable Net::checkpoint(const Variable& x, std::function<Variable(const Variable&)> block) {
  Variable result;
  without_gradients([&] { result = block(x); });
  record([this, x, block = std::move(block), from = result.gradient] {
    std::vector<Step> outer = std::exchange(tape_, {});
    *block(x).gradient = std::exchange(*from, nullptr);
    play_back();
    tape_ = std::move(outer);
  });
  return result;
}

void Net::without_gradients(const std::function<void()>& block) {
  const bool before = std::exchange(recording_, false);
  block();
  recording_ = before;
}

void Net::play_back() {
  while (!tape_.empty()) {
    const Step step = std::move(tape_.back());  // what it holds goes with it
    tape_.pop_back();
    step();
  }
}

void Net::backward() {
  play_back();
}

void Net::step() {
  const std::string_view kernel = optimizer_ == Optimizer::Adam ? "adam" : "momentum";
  for (Parameter& each : parameters_) {
    std::vector<Access> accesses{read(each.gradient), update(each.master), write(each.weight)};
    for (const Tensor& moment : each.moments) accesses.push_back(update(moment));
    job_.run(kernel, 0, accesses);
  }
  for (Parameter& each : parameters_) each.gradient.reset();
}

}  // namespace workloads
