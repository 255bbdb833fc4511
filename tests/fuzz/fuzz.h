// SPDX-License-Identifier: Apache-2.0
// The targets: each takes any bytes, and may neither crash, nor hang, nor break what it promises.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

namespace fuzz {

using Input = std::span<const uint8_t>;

void trace_reader(Input input);  // as a trace file
void trace_verbs(Input input);   // as a trace file, for every verb of `spillway trace`
void config(Input input);        // as an environment, its entries with a zero byte between them

// A file that exists only here, for what wants a path.
class InMemory {
 public:
  explicit InMemory(Input bytes);
  ~InMemory();
  InMemory(const InMemory&) = delete;
  const std::string& path() const { return path_; }

 private:
  int file_;
  std::string path_;
};

// A promise; ends the process, which the fuzzer takes for a crash.
inline void hold(bool kept, const char* promise) {
  if (kept) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

}  // namespace fuzz
