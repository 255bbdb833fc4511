// SPDX-License-Identifier: Apache-2.0
// A random CUDA program, a well-defined one: random_program --seed N. It prints what it saw (hashes
// of buffers, answers to queries), which must be the same whoever runs it, and first its measures.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "tests/random/execute.h"
#include "tests/random/tell.h"

int main(int argc, char** argv) {
  CLI::App app("Runs the CUDA program that a seed stands for and prints what it saw.");
  uint64_t seed = 0;
  random_program::Size size;
  size_t footprint = size.footprint >> 20;
  std::string dump;
  bool describe = false, tell = false;
  app.add_option("--seed", seed, "Which program")->required();
  app.add_option("--operations", size.operations, "About how many operations")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--footprint", footprint, "About how many MiB live at once at most")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--dump", dump,
                 "Directory for the bytes of every checkpoint: <operation>-<buffer>")
      ->check(CLI::ExistingDirectory);
  app.add_flag("--describe", describe, "Print the measures only; run nothing");
  app.add_flag("--tell", tell, "Print every operation; run nothing");
  CLI11_PARSE(app, argc, argv);
  size.footprint = footprint << 20;

  const random_program::Plan plan = random_program::generate(seed, size);
  std::printf("program seed %llu operations %zu threads %d footprint %zu widest %zu small %zu\n",
              static_cast<unsigned long long>(seed), plan.operations(), plan.threads,
              plan.footprint, plan.widest, plan.small);
  if (tell) std::fputs(random_program::tell(plan).c_str(), stdout);
  if (!describe && !tell) std::fputs(random_program::Executor(plan, dump).run().c_str(), stdout);
  return 0;
}
