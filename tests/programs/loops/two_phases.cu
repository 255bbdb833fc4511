// SPDX-License-Identifier: Apache-2.0
// A job whose loop becomes another one half-way: all layers are trained; then the first half of
// them is frozen, and with the memory that this saves the batch is twice as large.
//
//   two_phases LAYERS UNIT_MIB STEPS
#define KERNELS "two_phases.def"
#include "job.cuh"
#include "rows.cuh"

namespace {

void step(Job& job, std::vector<Tensor>& layers, size_t mib, size_t frozen) {
  std::vector<Tensor> passed;
  passed.reserve(layers.size() + 1);
  passed.push_back(job.passing(mib));
  job.run(kernels::layer_forward, passed[0], layers.front(), layers.back());
  for (Tensor& layer : layers) {
    Tensor out = job.passing(mib);
    job.run(kernels::layer_forward, out, passed.back(), layer);
    passed.push_back(std::move(out));
  }
  job.run(kernels::output, passed.back());
  for (size_t i = layers.size(); i-- > frozen;) {
    job.run(kernels::layer_backward, layers[i], passed[i], passed[i + 1]);
    passed.pop_back();
  }
  job.end_iteration();
}

}  // namespace

int main(int argc, char** argv) {
  const auto given = numbers(argc, argv, 3, "two_phases LAYERS UNIT_MIB STEPS");
  Job job("two_phases");
  std::vector<Tensor> layers;
  for (size_t i = 0; i < given[0]; ++i) layers.push_back(job.lasting(given[1]));
  for (size_t i = 0; i < given[2]; ++i) step(job, layers, given[1], 0);
  for (size_t i = 0; i < given[2]; ++i) step(job, layers, 2 * given[1], layers.size() / 2);
  for (Tensor& layer : layers) job.must_hold_what_it_should(layer);
  job.end();
  return 0;
}
