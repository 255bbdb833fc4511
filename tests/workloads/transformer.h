// SPDX-License-Identifier: Apache-2.0
// Transformers, by their shape.
#pragma once

#include <string>

#include "policy/workload.h"

namespace workloads {

struct Shape {
  std::string name;
  int layers = 0;
  double width = 0, tokens = 0;  // tokens: of a micro-batch
  double sequence = 2048, vocabulary = 50'257;
  int micro_batches = 1;
  bool checkpointed = false;  // activations of a layer are made again in the backward pass
};

spillway::policy::Workload train(const Shape& shape, int iterations);
spillway::policy::Workload infer(int iterations);

}  // namespace workloads
