// SPDX-License-Identifier: Apache-2.0
#include "tests/workloads/job.h"

#include <algorithm>
#include <vector>

namespace workloads {

using spillway::policy::Mode;
using spillway::policy::Use;

Memory::Memory(Job& job, uint64_t bytes) : job_(job), bytes_(bytes) {
  if (bytes_ >= kSmallest) buffer_ = job_.writer_.allocate(bytes_);
}

Memory::~Memory() {
  if (bytes_ >= kSmallest && !job_.over_) job_.writer_.free(buffer_);
}

Tensor Job::filled(uint64_t bytes) {
  Tensor tensor = make(bytes);
  run("fill", 0, {write(tensor)});
  return tensor;
}

void Job::run(std::string_view kernel, double flops, std::span<const Access> accesses) {
  std::vector<Use> uses;
  double bytes = 0;
  for (const Access& access : accesses) {
    if (!access.tensor) continue;
    const uint64_t part = std::min(access.bytes, access.tensor->bytes_);
    bytes += static_cast<double>(part) * (access.mode == Mode::ReadWrite ? 2 : 1);
    if (access.tensor->bytes_ >= kSmallest) uses.push_back({access.tensor->buffer_, access.mode});
  }
  const double seconds = std::max(flops / kFlopsPerSecond, bytes / kBytesPerSecond);
  writer_.kernel(kernel, static_cast<uint64_t>(seconds * 1e9 + kKernelNs), uses);
}

spillway::policy::Workload Job::take() {
  over_ = true;
  return writer_.take();
}

}  // namespace workloads
