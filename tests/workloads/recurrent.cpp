// SPDX-License-Identifier: Apache-2.0
// A recurrent network, unrolled over its time steps: many small kernels, and weights that all of
// them share.
#include <vector>

#include "tests/workloads/generators.h"
#include "tests/workloads/net.h"

namespace workloads {
namespace {

constexpr uint64_t kLayers = 4, kWidth = 4096, kBatch = 512, kSteps = 128;

struct State {
  Variable hidden, cell;
};

class Lstm {
 public:
  explicit Lstm(Net& net) : net_(net) {
    for (uint64_t i = 0; i < kLayers; ++i)
      layers_.push_back(&net.parameter(2 * kWidth, 4 * kWidth));
  }

  void train() {
    {
      std::vector<State> states(kLayers);  // of no tensors: zero
      for (uint64_t step = 0; step < kSteps; ++step) {
        Variable x = net_.input(kBatch * kWidth);
        for (uint64_t layer = 0; layer < kLayers; ++layer) {
          advance(x, states[layer], *layers_[layer]);
          x = states[layer].hidden;
        }
        judge(x);
      }
    }
    net_.backward();
    net_.step();
  }

 private:
  void advance(const Variable& x, State& state, Parameter& weights) {
    const Variable gates = net_.product("gates", x, state.hidden, weights, kBatch);
    const Variable before = state.cell;
    State next{net_.variable(kBatch * kWidth), net_.variable(kBatch * kWidth)};
    net_.job().run(
        "cell", 0,
        {read(gates.value), read(before.value), write(next.hidden.value), write(next.cell.value)});
    net_.record([this, gates, before, cell = next.cell, from = next.hidden.gradient] {
      net_.job().run("cell_backward", 0,
                     {read(*from), read(*cell.gradient), read(gates.value), read(before.value),
                      read(cell.value), net_.gradient(gates), net_.gradient(before)});
    });
    state = std::move(next);
  }

  // Every step's result has a part in the loss.
  void judge(const Variable& x) {
    net_.record([this, x] {
      net_.job().run("loss_backward", 0, {read(x.value), net_.gradient(x)});
    });
  }

  Net& net_;
  std::vector<Parameter*> layers_;
};

}  // namespace

Workload lstm(unsigned iterations) {
  Job job("lstm");
  Net net(job, Optimizer::Adam);
  Lstm model(net);
  for (unsigned i = 0; i < iterations; ++i) {
    job.iteration();
    model.train();
  }
  return job.take();
}

}  // namespace workloads
