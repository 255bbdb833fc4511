// SPDX-License-Identifier: Apache-2.0
// Goes through its tensors in the same order again and again: the worst that can happen to who
// throws out what was used longest ago.
//
//   scan TENSORS MIB ROUNDS change|look
#define KERNELS "scan.def"
#include "job.cuh"
#include "rows.cuh"

int main(int argc, char** argv) {
  constexpr char kUsage[] = "scan TENSORS MIB ROUNDS change|look";
  const auto given = numbers(argc - 1, argv, 3, kUsage);
  const bool change = strcmp(argv[4], "change") == 0;
  Job job("scan");
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < given[0]; ++i) tensors.push_back(job.lasting(given[1]));
  for (size_t round = 0; round < given[2]; ++round) {
    for (Tensor& tensor : tensors)
      job.run(change ? kernels::change_all : kernels::look_at_all, tensor);
    job.run(kernels::look_at_last, tensors.back());
    job.end_iteration();
  }
  for (Tensor& tensor : tensors) job.must_hold_what_it_should(tensor);
  job.end();
  return 0;
}
