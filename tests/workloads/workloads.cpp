// SPDX-License-Identifier: Apache-2.0
#include "tests/workloads/workloads.h"

#include <algorithm>

#include "tests/workloads/others.h"
#include "tests/workloads/transformer.h"

namespace workloads {

namespace {

using spillway::policy::Event;
using spillway::policy::Use;

const Entry kAll[] = {
    {"gpt-1.3b-8k", "24 layers of 2048, Adam, 8,192 tokens a step", true, true,
     [](int n) {
       return train({.name = "gpt-1.3b-8k", .layers = 24, .width = 2048, .tokens = 8192}, n);
     }},
    {"gpt-1.3b-32k", "the same, 32,768 tokens", true, true,
     [](int n) {
       return train({.name = "gpt-1.3b-32k", .layers = 24, .width = 2048, .tokens = 32768}, n);
     }},
    {"gpt-6.7b-16k", "32 layers of 4096, Adam, 16,384 tokens a step", true, true,
     [](int n) {
       return train({.name = "gpt-6.7b-16k", .layers = 32, .width = 4096, .tokens = 16384}, n);
     }},
    {"gpt-13b-32k", "40 layers of 5120, Adam, 32,768 tokens a step", true, true,
     [](int n) {
       return train({.name = "gpt-13b-32k", .layers = 40, .width = 5120, .tokens = 32768}, n);
     }},
    {"gpt-6.7b-accumulated", "four micro-batches of 8,192 tokens", true, true,
     [](int n) {
       return train({.name = "gpt-6.7b-accumulated",
                     .layers = 32,
                     .width = 4096,
                     .tokens = 8192,
                     .micro_batches = 4},
                    n);
     }},
    {"gpt-6.7b-checkpointed", "32,768 tokens, activations made again", true, true,
     [](int n) {
       return train({.name = "gpt-6.7b-checkpointed",
                     .layers = 32,
                     .width = 4096,
                     .tokens = 32768,
                     .checkpointed = true},
                    n);
     }},
    {"bert-large", "24 layers of 1024, 32 sequences of 512", true, false,
     [](int n) {
       return train({.name = "bert-large",
                     .layers = 24,
                     .width = 1024,
                     .tokens = 32 * 512,
                     .sequence = 512,
                     .vocabulary = 30'522},
                    n);
     }},
    {"resnet50", "batch 1024", true, false, resnet50},
    {"unet3d-192", "volumes of 192^3, batch 2", true, false, unet3d},
    {"lstm", "four layers of 4096 over 256 steps", true, false, lstm},
    {"scan-r", "256 tensors of 128 MiB, read in turn", true, false,
     [](int n) { return scan(n, false); }},
    {"scan-rw", "the same, changed in turn", true, false, [](int n) { return scan(n, true); }},
    {"inference-30b", "a prompt and 16 tokens of each of 32 sequences", true, false, infer},
    {"random", "any two of 256 tensors", false, false, random_access},
    {"two-phases", "a loop that becomes another half-way", false, false, two_phases},
};

}  // namespace

std::span<const Entry> all() {
  return kAll;
}

uint64_t peak_bytes(const Workload& workload) {
  uint64_t now = 0, most = 0;
  for (const Event& event : workload.events) {
    if (event.kind == Event::Kind::Allocate) now += workload.buffers[event.buffer];
    if (event.kind == Event::Kind::Free) now -= workload.buffers[event.buffer];
    most = std::max(most, now);
  }
  return most;
}

uint64_t widest_kernel(const Workload& workload) {
  uint64_t widest = 0;
  for (const Event& event : workload.events) {
    if (event.kind != Event::Kind::Kernel) continue;
    uint64_t sum = 0;
    for (const Use& use : workload.uses_of(event)) sum += workload.buffers[use.buffer];
    widest = std::max(widest, sum);
  }
  return widest;
}

}  // namespace workloads
