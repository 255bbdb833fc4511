// SPDX-License-Identifier: Apache-2.0
#include "policy/workload.h"

#include <algorithm>

namespace spillway::policy {

uint32_t WorkloadWriter::name(std::string_view text) {
  auto& names = workload_.names;
  const auto found = std::ranges::find(names, text);
  if (found != names.end()) return static_cast<uint32_t>(found - names.begin());
  names.emplace_back(text);
  return static_cast<uint32_t>(names.size() - 1);
}

uint32_t WorkloadWriter::allocate(uint64_t bytes) {
  const auto buffer = static_cast<uint32_t>(workload_.buffers.size());
  workload_.buffers.push_back(bytes);
  workload_.events.push_back({.kind = Event::Kind::Allocate, .buffer = buffer});
  return buffer;
}

void WorkloadWriter::free(uint32_t buffer) {
  workload_.events.push_back({.kind = Event::Kind::Free, .buffer = buffer});
}

void WorkloadWriter::kernel(std::string_view text, uint64_t ns, std::span<const Use> uses) {
  const auto first = static_cast<uint32_t>(workload_.uses.size());
  workload_.uses.insert(workload_.uses.end(), uses.begin(), uses.end());
  workload_.events.push_back({.kind = Event::Kind::Kernel,
                              .name = name(text),
                              .first = first,
                              .count = static_cast<uint32_t>(uses.size()),
                              .ns = ns});
}

void WorkloadWriter::iteration() {
  workload_.events.push_back({.kind = Event::Kind::Iteration});
}

}  // namespace spillway::policy
