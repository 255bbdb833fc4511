// SPDX-License-Identifier: Apache-2.0
// The parts of the examination, one file each. Nothing here changes a setting of the machine.
#pragma once

#include <chrono>
#include <functional>

#include "runtime/config.h"
#include "tools/doctor/report.h"

namespace spillway::tools {

// All that asks the driver; runs aside, since a driver may hang or crash. `at` tells what comes
// next, so that it is known where that happened.
struct Listener {
  std::function<void(const std::string& step)> at;
  std::function<void(const Row& row)> say;
};
void examine_gpus(const Config& config, const Listener& listener);

// One device, whose context is current.
struct Gpu {
  int device = 0;      // ordinal, and so the handle
  std::string bus_id;  // 0000:65:00.0; empty: the driver does not say
  uint64_t total = 0, budget = 0;
};
Row mapping_row(const Gpu& gpu);
Row in_place_row(const Gpu& gpu, const Config& config);
Row link_row(const Gpu& gpu, const Listener& listener);
Row numa_row(const Gpu& gpu);

// What the machine says without a driver. `devices`: the rows of the GPUs, where there are any.
Row memory_row(const Config& config, const Rows& devices);
Row locked_memory_row();
Row shared_memory_row();
std::vector<std::string> gpus_on_the_bus();  // NVIDIA's, by PCI bus id, whether they work or not

// The python3 on PATH: what is installed there, and which switches it gets.
Rows framework_rows(const Config& config, std::chrono::milliseconds patience);

// Who else is between a program and its driver.
Row neighbours_row();
// The libspillway.so that `spillway run` takes, and whether the loader takes it.
Row library_row(std::chrono::milliseconds patience);

}  // namespace spillway::tools
