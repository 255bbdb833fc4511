// SPDX-License-Identifier: Apache-2.0
#include "tests/workloads/workloads.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tests/workloads/generators.h"

namespace workloads {
namespace {

using spillway::policy::Event;

constexpr const char* kGpt3 = "Brown et al. 2020 (GPT-3), table 2.1";

constexpr auto kAll = std::to_array<Entry>({
    {"gpt-1.3b-8k", "a GPT of 1.3 billion weights with Adam, 8,192 tokens a step: mostly states",
     kGpt3, Kind::Regular, gpt_1b3_8k},
    {"gpt-1.3b-32k", "the same with 32,768 tokens: mostly activations", kGpt3, Kind::Regular,
     gpt_1b3_32k},
    {"gpt-6.7b-16k", "6.7 billion weights, 16,384 tokens", kGpt3, Kind::Regular, gpt_6b7_16k},
    {"gpt-13b-32k", "13 billion weights, 32,768 tokens", kGpt3, Kind::Regular, gpt_13b_32k},
    {"gpt-6.7b-accumulate", "gradients of four batches of 8,192 tokens are added up before a step",
     kGpt3, Kind::Regular, gpt_accumulating},
    {"gpt-6.7b-checkpoint",
     "layers keep their inputs alone and are run again in the backward pass; 32,768 tokens",
     "the same; Chen et al. 2016", Kind::Regular, gpt_checkpointing},
    {"gpt-1.3b-evaluate",
     "an iteration is five steps of gpt-1.3b-8k and two batches without gradients", kGpt3,
     Kind::Regular, gpt_evaluating},
    {"bert-large", "32 sequences of 512 tokens, attention with its probabilities kept",
     "Devlin et al. 2019", Kind::Regular, bert_large},
    {"resnet-50", "256 images of 224 x 224, batch normalisation, momentum", "He et al. 2016",
     Kind::Regular, resnet50},
    {"unet-3d", "two volumes of 192 x 192 x 192 through six levels",
     "Isensee et al. 2021 (nnU-Net)", Kind::Regular, unet3d},
    {"lstm", "four layers of 4,096 over 128 time steps: small kernels, shared weights",
     "Jozefowicz et al. 2016, unrolled further", Kind::Regular, lstm},
    {"scan-read", "tensors are read one after the other, again and again: recency at its worst",
     "made up", Kind::Regular, scan_read},
    {"scan-write", "the same, and written: every departure is a copy", "made up", Kind::Regular,
     scan_write},
    {"inference-13b",
     "32 requests of 1,024 tokens are answered with eight more, by weights that are only read",
     kGpt3, Kind::Regular, gpt_inference},
    {"random", "tensors are used without any order, some more often than others", "made up",
     Kind::Irregular, random_access},
    {"gpt-1.3b-grow", "gpt-1.3b-8k, whose steps have twice the tokens from half-way on",
     "the same as gpt-1.3b-8k; batches grow as in Brown et al. 2020, appendix B", Kind::Irregular,
     gpt_growing},
    {"gpt-1.3b-long", "gradients of 192 batches are added up: 100,000 kernels an iteration", kGpt3,
     Kind::Large, gpt_long},
});

}  // namespace

std::span<const Entry> all() {
  return kAll;
}

const Entry* find(std::string_view name) {
  const auto found = std::ranges::find(kAll, name, &Entry::name);
  return found == kAll.end() ? nullptr : &*found;
}

uint64_t peak_bytes(const Workload& workload) {
  uint64_t bytes = 0, most = 0;
  for (const Event& event : workload.events) {
    if (event.kind == Event::Kind::Allocate) bytes += workload.buffers[event.buffer];
    if (event.kind == Event::Kind::Free) bytes -= workload.buffers[event.buffer];
    most = std::max(most, bytes);
  }
  return most;
}

uint64_t widest_kernel(const Workload& workload) {
  std::vector<size_t> seen(workload.buffers.size(), 0);  // by the kernel at this place, and one
  uint64_t most = 0;
  for (size_t i = 0; i < workload.events.size(); ++i) {
    if (workload.events[i].kind != Event::Kind::Kernel) continue;
    uint64_t bytes = 0;
    for (const auto& use : workload.uses_of(workload.events[i]))
      if (std::exchange(seen[use.buffer], i + 1) != i + 1) bytes += workload.buffers[use.buffer];
    most = std::max(most, bytes);
  }
  return most;
}

}  // namespace workloads
