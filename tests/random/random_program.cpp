// SPDX-License-Identifier: Apache-2.0
// A random CUDA program, a well-defined one: random_program --seed N. It prints what it saw (hashes
// of buffers, answers to queries), which must be the same whoever runs it, and first its measures.
#include <cstdio>

#include "tests/random/execute.h"
#include "tests/random/tell.h"
#include "tests/support/arguments.h"

int main(int argc, char** argv) {
  support::Arguments arguments(
      "Runs the CUDA program that a seed stands for and prints what it saw.");
  uint64_t seed = 0;
  random_program::Size size;
  size_t footprint = size.footprint >> 20;
  std::string dump;
  bool no_device_calls = false, describe = false, tell = false;
  arguments.add("--seed", seed, "Which program").required();
  arguments.add("--operations", size.operations, "About how many operations").between(1, 100000);
  arguments.add("--footprint", footprint, "About how many MiB live at once at most")
      .between(1, 1 << 20);
  arguments.add("--devices", size.devices, "How many devices it uses at most").between(1, 2);
  arguments.add("--compute", size.compute, "What every device can: 10 * major + minor");
  arguments.add("--no-device-calls", no_device_calls, "No kernel calls the device runtime");
  arguments.add("--dump", dump, "Directory for the bytes of every checkpoint: <operation>-<buffer>")
      .directory();
  arguments.add("--describe", describe, "Print the measures only; run nothing");
  arguments.add("--tell", tell, "Print every operation; run nothing");
  if (!arguments.parse(argc, argv)) return arguments.status();
  size.footprint = footprint << 20;
  size.device_calls = !no_device_calls;

  const random_program::Plan plan = random_program::generate(seed, size);
  std::printf("program seed %llu operations %zu threads %d footprint %zu widest %zu small %zu\n",
              static_cast<unsigned long long>(seed), plan.operations(), plan.threads,
              plan.footprint, plan.widest, plan.small);
  if (tell) std::fputs(random_program::tell(plan).c_str(), stdout);
  if (!describe && !tell) std::fputs(random_program::Executor(plan, dump).run().c_str(), stdout);
  return 0;
}
